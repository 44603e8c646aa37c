import type { Gpu } from "../engine/gpu.ts";
import { WeftError } from "../engine/weft_error.ts";
import { findDirectory } from "../train/atomic_directory.ts";
import { loadCheckpoint } from "../train/checkpoint.ts";

/**
 * The model and the tokenizer of a run: of its `best` checkpoint, else of `last`.
 *
 * @throws {WeftError} when there is neither.
 */
export async function openTrained(gpu: Gpu, outDir: string): ReturnType<typeof loadCheckpoint> {
  const directory = await findDirectory(`${outDir}/best`) ? "best" : "last";
  if (await findDirectory(`${outDir}/${directory}`) === undefined) {
    throw new WeftError(`${outDir} holds no checkpoint: train one with \`deno task train --out_dir=${outDir}\``);
  }
  return await loadCheckpoint(gpu, `${outDir}/${directory}`);
}
