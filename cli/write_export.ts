import { WeftError } from "../engine/weft_error.ts";
import type { ExportFiles, FileContents } from "../model/export_files.ts";
import { writeDirectory } from "../train/atomic_directory.ts";
import { removeIfThere, writeAll } from "../train/files.ts";

/** All that an export may consist of. */
const exportNames = new Set([
  "config.json",
  "generation_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "model.safetensors",
  "model.onnx",
  "model.onnx_data",
  "ckpt.pt",
  "meta.pkl",
]);

/**
 * Writes a folder, beside what is there and then in its place, and says how many bytes it has.
 *
 * @throws {WeftError} when it cannot be written, or holds other things than an export: a run is not lost to a wrong name.
 */
export async function writeExportFolder(path: string, files: ExportFiles): Promise<number> {
  const strange = (await namesIn(path)).find((name) => !exportNames.has(name));
  if (strange !== undefined) {
    throw new WeftError(`${path} holds ${strange}, which is not of an export: write to another folder`);
  }
  let bytes = 0;
  await writeDirectory(path, async (folder) => {
    for (const [name, contents] of Object.entries(files)) bytes += await writeContents(`${folder}/${name}`, contents());
  });
  return bytes;
}

/**
 * Writes a file, beside what is there and then in its place, and says how many bytes it has.
 *
 * @throws {WeftError} when it cannot be written; what was there is as it was.
 */
export async function writeExportFile(path: string, contents: FileContents): Promise<number> {
  const fresh = `${path}.new`;
  try {
    const folder = path.replace(/[^/]*$/, "");
    if (folder !== "") await Deno.mkdir(folder, { recursive: true });
    const bytes = await writeContents(fresh, contents);
    await Deno.rename(fresh, path);
    return bytes;
  } catch (error) {
    await removeIfThere(fresh).catch(() => {}); // the first error is the one to tell
    if (error instanceof WeftError) throw error;
    throw new WeftError(`${path} cannot be written, and what was there is as it was: ${(error as Error).message}`);
  }
}

async function writeContents(path: string, contents: FileContents): Promise<number> {
  using file = await Deno.open(path, { write: true, create: true, truncate: true });
  let bytes = 0;
  for await (const piece of contents) {
    await writeAll(file, piece);
    bytes += piece.length;
  }
  await file.sync();
  return bytes;
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw new WeftError(`${folder} cannot be read as a folder: ${(error as Error).message}`);
  }
}
