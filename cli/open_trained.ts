import type { Gpu } from "../engine/gpu.ts";
import { WeftError } from "../engine/weft_error.ts";
import { findDirectory } from "../train/atomic_directory.ts";
import { loadCheckpoint } from "../train/checkpoint.ts";

/**
 * The model and the tokenizer of a folder: of a run's `best` checkpoint, else of its `last`, else what lies in the folder
 * itself, in Hugging Face's layout.
 *
 * @throws {WeftError} when there is none of these.
 */
export async function openTrained(gpu: Gpu, folder: string): ReturnType<typeof loadCheckpoint> {
  return await loadCheckpoint(gpu, await findTrained(folder));
}

async function findTrained(folder: string): Promise<string> {
  for (const directory of [`${folder}/best`, `${folder}/last`]) {
    if (await findDirectory(directory) !== undefined) return directory;
  }
  if (await findDirectory(`${folder}/config.json`) !== undefined) return folder;
  throw new WeftError(`${folder} holds no checkpoint: train one with \`deno task train --out_dir=${folder}\``);
}
