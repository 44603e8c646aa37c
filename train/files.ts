/** Writes all of the bytes, which one call of `write` need not do. */
export async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
}

/** `writeAll` at once. */
export function writeAllSync(file: Deno.FsFile, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
}

/**
 * Fills the bytes from where the file stands.
 *
 * @throws {Error} when the file ends before.
 */
export function fillSync(file: Deno.FsFile, bytes: Uint8Array<ArrayBuffer>): void {
  for (let at = 0; at < bytes.length;) {
    const count = file.readSync(bytes.subarray(at));
    if (count === null) throw new Error("it has become shorter");
    at += count;
  }
}

/** Removes a file, or a folder with all that is in it, unless there is none. */
export async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
