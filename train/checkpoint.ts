import type { Gpu } from "../engine/gpu.ts";
import type { HostTensor } from "../engine/host_tensor.ts";
import { readSafetensorsFile, writeSafetensorsFile } from "../model/safetensors.ts";
import { readTensors, type Tensor } from "../engine/tensor.ts";
import { WeftError } from "../engine/weft_error.ts";
import type { LanguageModel } from "../model/language_model.ts";
import { modelConfigJson, modelFromConfigJson, setParameters } from "../model/model_config.ts";
import { type Tokenizer, tokenizerFromJSON } from "../model/tokenizer.ts";
import type { AdamW } from "./adamw.ts";
import { findDirectory, writeDirectory } from "./atomic_directory.ts";
import { sameShape } from "../engine/shape.ts";

/** Where a run stands: what a resume needs beside parameters and moments. */
export interface TrainerState {
  /** Steps that were taken. */
  readonly step: number;
  /** Lowest validation loss so far; missing before the first evaluation. */
  readonly best_validation?: number;
  /** Keys of dropout that were used. */
  readonly random_counter: number;
  /** The configuration of the run. */
  readonly config: Readonly<Record<string, unknown>>;
}

/** What a checkpoint is made of. */
export interface CheckpointParts {
  /** The model. */
  readonly model: LanguageModel;
  /** Its tokenizer. */
  readonly tokenizer: Tokenizer;
  /** The optimizer. */
  readonly optimizer: AdamW;
  /** Where the run stands. */
  readonly state: TrainerState;
}

/**
 * Writes a checkpoint: a directory with `model.safetensors`, `config.json`, `tokenizer.json`,
 * `optimizer.safetensors` and `trainer_state.json`, written beside and renamed. A kill at any moment leaves the
 * previous one whole.
 *
 * @throws {WeftError} when it cannot be written; the previous one is intact.
 */
export async function saveCheckpoint(directory: string, parts: CheckpointParts): Promise<void> {
  const { model, tokenizer, optimizer, state } = parts;
  const parameters = await download(model.parameters()), moments = await download(optimizer.state());
  await writeDirectory(directory, async (path) => {
    await writeSafetensorsFile(`${path}/model.safetensors`, parameters, { format: "pt" });
    await writeSafetensorsFile(`${path}/optimizer.safetensors`, moments, { steps: String(optimizer.steps) });
    await writeJson(`${path}/config.json`, modelConfigJson(model));
    await writeJson(`${path}/tokenizer.json`, tokenizer.toJSON());
    await writeJson(`${path}/trainer_state.json`, state);
  });
}

/**
 * Reads the model and the tokenizer of a checkpoint.
 *
 * @throws {WeftError} when there is none or it is damaged.
 */
export async function loadCheckpoint(
  gpu: Gpu,
  directory: string,
): Promise<{ model: LanguageModel; tokenizer: Tokenizer; path: string }> {
  const path = await findDirectory(directory);
  if (path === undefined) throw new WeftError(`${directory} holds no checkpoint: train one with --out_dir`);
  const model = modelFromConfigJson(gpu, await readJson(`${path}/config.json`), `${path}/config.json`);
  const file = `${path}/model.safetensors`;
  setParameters(model, (await readSafetensorsFile(file)).tensors, file);
  return { model, tokenizer: tokenizerFromJSON(await readJson(`${path}/tokenizer.json`)), path };
}

/** Reads where the run of a checkpoint stands. */
export async function loadTrainerState(directory: string): Promise<TrainerState> {
  const path = await findDirectory(directory);
  if (path === undefined) throw new WeftError(`${directory} holds no checkpoint to resume from`);
  const file = `${path}/trainer_state.json`;
  const { step, best_validation, random_counter, config } = await readJson(file);
  const whole = (value: unknown): value is number => Number.isSafeInteger(value) && value as number >= 0;
  if (!whole(step) || !whole(random_counter) || typeof config !== "object" || config === null) {
    throw new WeftError(`${file} is damaged: step, random_counter or config is missing or of the wrong type`);
  }
  return {
    step,
    best_validation: typeof best_validation === "number" ? best_validation : undefined,
    random_counter,
    config: config as Record<string, unknown>,
  };
}

/**
 * Puts the optimizer into the state of a checkpoint.
 *
 * @throws {WeftError} when the checkpoint's moments are not those of the optimizer's parameters.
 */
export async function restoreOptimizer(directory: string, optimizer: AdamW): Promise<void> {
  const path = await findDirectory(directory);
  const file = `${path}/optimizer.safetensors`;
  const { tensors, metadata } = await readSafetensorsFile(file);
  const state = optimizer.state(), steps = Number(metadata.steps);
  if (!tensors.has("loss_scale")) state.delete("loss_scale"); // a checkpoint of before there was one
  const fits = tensors.size === state.size && Number.isSafeInteger(steps) &&
    [...state].every(([name, { shape }]) => sameShape(tensors.get(name)?.shape ?? [-1], shape));
  if (!fits) throw new WeftError(`${file} is not of this model: its moments have other names or shapes`);
  for (const [name, tensor] of state) {
    const { data } = tensors.get(name)!;
    if (name === "loss_scale" && (data[0] === 1 || !optimizer.scalesLoss)) data[0] = optimizer.initialLossScale;
    tensor.gpu.write(tensor.storage, data);
  }
  optimizer.steps = steps;
}

async function download(tensors: ReadonlyMap<string, Tensor>): Promise<Map<string, HostTensor>> {
  const values = await readTensors([...tensors.values()]);
  return new Map([...tensors.keys()].map((name, i) => [name, values[i]]));
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await Deno.writeTextFile(path, JSON.stringify(value, null, 2) + "\n");
}

async function readJson(path: string): Promise<Record<string, unknown>> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    throw new WeftError(`${path} cannot be read: ${(error as Error).message}`);
  }
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>;
    }
  } catch {
    // falls through to the one message
  }
  throw new WeftError(`${path} is damaged: it is not a JSON object`);
}
