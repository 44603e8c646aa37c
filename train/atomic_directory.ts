import { WeftError } from "../engine/weft_error.ts";
import { removeIfThere } from "./files.ts";

/** How a directory is written. */
export interface WriteDirectoryOptions {
  /** Whether what was there before is kept, as `PATH.old`. Default: no. */
  readonly keepPrevious?: boolean;
}

/**
 * Writes a directory so that at every moment either the previous one or the new one is there, whole: `write` fills
 * `PATH.new`, which is renamed to `PATH` after what was there is renamed to `PATH.old`. A kill between the two renames
 * leaves `PATH.old`, which `findDirectory` finds. Files and directories are on the disk before a rename, and the renames
 * before it returns.
 *
 * @throws {WeftError} when it cannot be written; what was there before is as it was.
 */
export async function writeDirectory(
  path: string,
  write: (directory: string) => Promise<void>,
  { keepPrevious = false }: WriteDirectoryOptions = {},
): Promise<void> {
  const fresh = `${path}.new`;
  try {
    await told(path, async () => {
      await mend(path); // what a kill left
      await removeIfThere(fresh);
      await Deno.mkdir(fresh, { recursive: true });
      await write(fresh);
    });
    await replaceDirectory(path, fresh, { keepPrevious });
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
export async function replaceDirectory(
  path: string,
  fresh: string,
  { keepPrevious = false }: WriteDirectoryOptions = {},
): Promise<void> {
  const old = `${path}.old`;
  await told(path, async () => {
    await mend(path);
    await syncAll(fresh);
    if (await exists(path)) {
      await removeIfThere(old);
      await Deno.rename(path, old);
    }
    await Deno.rename(fresh, path);
    await syncDirectory(path.replace(/\/?[^/]*$/, "") || (path.startsWith("/") ? "/" : "."));
    if (!keepPrevious) await removeIfThere(old).catch(() => {}); // the new one is in place, and the next write tries again
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

/**
 * Puts the previous directory, `PATH.old`, in the place of a damaged one, which is kept as `PATH.damaged`; returns that
 * name.
 */
export async function revertDirectory(path: string): Promise<string> {
  const damaged = `${path}.damaged`;
  await removeIfThere(damaged);
  await Deno.rename(path, damaged); // a kill here leaves PATH.old, which is found
  await Deno.rename(`${path}.old`, path);
  return damaged;
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

/** Waits until the disk has a directory and the contents of each file in it, so that a rename cannot overtake them. */
async function syncAll(directory: string): Promise<void> {
  for await (const { name, isFile, isDirectory } of Deno.readDir(directory)) {
    if (isDirectory) await syncAll(`${directory}/${name}`);
    if (!isFile) continue;
    using file = await Deno.open(`${directory}/${name}`, { read: true, write: true });
    await file.sync();
  }
  await syncDirectory(directory);
}

/** Waits until the disk has the names in a directory; on Windows a directory cannot be opened, and none does. */
async function syncDirectory(directory: string): Promise<void> {
  if (Deno.build.os === "windows") return;
  using file = await Deno.open(directory);
  await file.sync();
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
