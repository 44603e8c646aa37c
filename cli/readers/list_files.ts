import { glob } from "node:fs/promises";
import { normalize } from "node:path";
import { WeftError } from "../../engine/weft_error.ts";

/** The name that stands for standard input. */
export const standardInput = "-";

/** Endings of the files that are taken from a folder. */
const known = /\.(txt|text|md|jsonl|ndjson|json|parquet)(\.(gz|zst|zstd))?$/i;

/**
 * The files that the inputs stand for, each once, in the order of their paths: a file itself, of a folder and the
 * folders in it the files of known kinds that are not hidden, of a pattern (`*`, `?`, `[…]`, `{…}`, `**`) those that
 * match, and `-` for standard input. The order is that of UTF-16 units, the same everywhere.
 *
 * @throws {WeftError} when an input stands for no file.
 */
export async function listFiles(inputs: readonly string[]): Promise<string[]> {
  if (inputs.length === 0) {
    throw new WeftError("No input is given: name files, folders, patterns, or - for standard input");
  }
  const paths: string[] = [];
  for (const input of inputs) paths.push(...input === standardInput ? [input] : await filesOf(normalize(input)));
  const files = new Map<string, string>(); // by what they are, since links give a file several paths
  for (const path of paths.sort()) {
    const file = path === standardInput ? path : await Deno.realPath(path);
    if (!files.has(file)) files.set(file, path);
  }
  return [...files.values()];
}

async function filesOf(input: string): Promise<string[]> {
  const info = await Deno.stat(input).catch((error) => {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw new WeftError(`${input} cannot be read: ${error.message}`);
  });
  if (info?.isDirectory) {
    const files = await filesIn(input.replace(/(?<=.)\/+$/, ""));
    if (files.length > 0) return files;
    throw new WeftError(
      `${input} holds no file that can be read: .txt, .md, .jsonl, .parquet, the first three also .gz or .zst`,
    );
  }
  if (info !== undefined) return [input];
  if (!/[*?[{]/.test(input)) throw new WeftError(`${input} does not exist: give a file, a folder, or a pattern`);
  const files: string[] = [];
  for await (const path of glob(input)) {
    if ((await Deno.stat(path)).isFile) files.push(path);
  }
  if (files.length === 0) throw new WeftError(`${input} matches no file`);
  return files;
}

async function filesIn(folder: string): Promise<string[]> {
  const files: string[] = [];
  try {
    for await (const { name, isDirectory, isSymlink } of Deno.readDir(folder)) {
      const path = `${folder}/${name}`;
      if (name.startsWith(".")) continue;
      if (isDirectory) files.push(...await filesIn(path));
      // a link to a file is followed, one to a folder is not, since it may lead around in a circle
      else if (known.test(name) && (!isSymlink || (await Deno.stat(path)).isFile)) files.push(path);
    }
  } catch (error) {
    if (error instanceof WeftError) throw error;
    throw new WeftError(`${folder} cannot be read: ${(error as Error).message}`);
  }
  return files;
}
