import { WeftError } from "../engine/weft_error.ts";
import { removeIfThere } from "./files.ts";

/**
 * Writes a directory so that at every moment either the previous one or the new one is there, whole: `write` fills
 * `PATH.new`, which is renamed to `PATH` after what was there is renamed to `PATH.old`. A kill between the two renames
 * leaves `PATH.old`, which `findDirectory` finds.
 *
 * @throws {WeftError} when it cannot be written; what was there before is as it was.
 */
export async function writeDirectory(
  path: string,
  write: (directory: string) => Promise<void>,
): Promise<void> {
  const fresh = `${path}.new`;
  try {
    await told(path, async () => {
      await mend(path); // what a kill left
      await removeIfThere(fresh);
      await Deno.mkdir(fresh, { recursive: true });
      await write(fresh);
    });
    await replaceDirectory(path, fresh);
  } catch (error) {
    await removeIfThere(fresh).catch(() => {}); // the first error is the one to tell
    throw error;
  }
}

/**
 * Puts a whole directory, which lies beside, under a name, as `writeDirectory` does.
 *
 * @throws {WeftError} when it cannot be done; both are as they were.
 */
export async function replaceDirectory(path: string, fresh: string): Promise<void> {
  const old = `${path}.old`;
  await told(path, async () => {
    await mend(path);
    await syncFiles(fresh);
    await removeIfThere(old);
    if (await exists(path)) await Deno.rename(path, old);
    await Deno.rename(fresh, path);
    await removeIfThere(old).catch(() => {}); // the new one is in place, and the next write tries again
  });
}

/** Does something to a directory; what goes wrong becomes the error to tell. */
async function told(path: string, act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    await mend(path).catch(() => {}); // the first error is the one to tell
    if (error instanceof WeftError) throw error;
    throw new WeftError(
      `${path} cannot be written, and what was there is as it was: ${(error as Error).message}`,
    );
  }
}

/** The whole directory that `writeDirectory` left under that name, if there is one. */
export async function findDirectory(path: string): Promise<string | undefined> {
  if (await exists(path)) return path;
  return await exists(`${path}.old`) ? `${path}.old` : undefined;
}

/** Puts the previous directory back when its name is empty because only the first of the two renames was done. */
async function mend(path: string): Promise<void> {
  const old = `${path}.old`;
  if (!await exists(path) && await exists(old)) await Deno.rename(old, path);
}

/** Waits until the disk has the contents of each file, so that a rename cannot overtake them. */
async function syncFiles(directory: string): Promise<void> {
  for await (const { name, isFile, isDirectory } of Deno.readDir(directory)) {
    if (isDirectory) await syncFiles(`${directory}/${name}`);
    if (!isFile) continue;
    using file = await Deno.open(`${directory}/${name}`, { read: true, write: true });
    await file.sync();
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    // NotADirectory: a file is in the way of a folder above
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
    throw error;
  }
}
