import type { Gpu } from "../engine/gpu.ts";
import { sameShape } from "../engine/shape.ts";
import { version } from "../engine/version.ts";
import { WeftError } from "../engine/weft_error.ts";
import type { LanguageModel } from "../model/language_model.ts";
import { fillTensors, loadWeights } from "../model/load_weights.ts";
import { isObject } from "../model/safetensors_format.ts";
import { modelConfigJson, modelFromConfigJson, type ModelOverrides } from "../model/model_config.ts";
import type { Tokenizer } from "../model/tokenizer.ts";
import { WeightFiles } from "../model/weight_files.ts";
import type { AdamW } from "./adamw.ts";
import { findDirectory } from "./atomic_directory.ts";
import { writeInThread } from "./checkpoint_files.ts";
import { verifyChecksums } from "./checksums.ts";
import { GpuSnapshot } from "./gpu_snapshot.ts";
import { loadTokenizer } from "./tokenizer_file.ts";
import type { TensorShapes } from "./weight_writer.ts";

/** Bytes that are copied on the GPU at a time, on their way to the host. */
const mostStaged = 1 << 28;

/** Where a run stands: what a resume needs beside parameters and moments. */
export interface TrainerState {
  /** Steps that were taken. */
  readonly step: number;
  /** Micro-batches that were learned from: where in its data the run is. Default: as many as there were steps. */
  readonly loader_position?: number;
  /** Lowest validation loss so far; missing before the first evaluation. */
  readonly best_validation?: number;
  /** Keys of dropout that were used: with the configuration's seed the state of all random numbers. */
  readonly random_counter: number;
  /** The configuration of the run. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The version of Weft that wrote it; `saveCheckpoint` puts its own. */
  readonly engine_version?: string;
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

/** How a checkpoint is written. */
export interface SaveOptions {
  /** Directories that get the same checkpoint, before the one that is named first. */
  readonly copies?: readonly string[];
  /** Whether the checkpoint that was there is kept, as `DIRECTORY.old`, for when this one is damaged. Default: no. */
  readonly keepPrevious?: boolean;
  /**
   * Bytes of tensors in one file at most; larger models have several. As much memory is taken for a copy of parameters
   * and moments. Default: 2e9.
   */
  readonly maxShardSize?: number;
  /** Called once parameters and moments may be changed again, which is long before all is written. */
  readonly onCopied?: () => void;
}

/** How a checkpoint is read. */
export interface LoadOptions {
  /** Whether the files that are read are compared with their checksums before. Default: yes. */
  readonly verify?: boolean;
}

/**
 * Writes a checkpoint: a directory in Hugging Face's layout, with `model.safetensors`, `config.json`,
 * `generation_config.json` and `tokenizer.json`, and for a resume `optimizer.safetensors`, which holds the loss scale,
 * too, and `trainer_state.json`; `checksums.txt` is for them all. It is written beside and renamed: a kill at any moment
 * leaves the previous one whole.
 *
 * @throws {WeftError} when it cannot be written; the previous one is intact.
 */
export async function saveCheckpoint(
  directory: string,
  parts: CheckpointParts,
  { copies = [], keepPrevious = false, maxShardSize = 2e9, onCopied = () => {} }: SaveOptions = {},
): Promise<void> {
  const { model, tokenizer, optimizer } = parts, metadata = { steps: String(optimizer.steps) };
  const parameters = [...model.parameters()], moments = [...optimizer.state()];
  const tensors = [...parameters, ...moments].map(([, tensor]) => tensor);
  const snapshot = new GpuSnapshot(model.gpu, tensors, mostStaged);
  try {
    const ends = { bos_token_id: tokenizer.endOfText ?? null, eos_token_id: tokenizer.endOfText ?? null };
    const texts = new Map(
      Object.entries({
        "config.json": { ...modelConfigJson(model), ...ends },
        "generation_config.json": { _from_model_config: true, ...ends },
        "tokenizer.json": tokenizer.toJSON(),
        "trainer_state.json": { ...parts.state, engine_version: version },
      }).map(([name, value]) => [name, JSON.stringify(value, null, 2) + "\n"]),
    );
    const files = {
      directories: [...copies, directory],
      keepPrevious,
      maxShardSize,
      weights: [
        ["model", shapesOf(parameters), { format: "pt" }],
        ["optimizer", shapesOf(moments), metadata],
      ] as const,
      texts,
    };
    const largest = Math.max(1 << 16, maxShardSize);
    let left = tensors.reduce((sum, { size }) => sum + 4 * size, 0);
    const next = async () => {
      if (left === 0) return undefined;
      const bytes = (await snapshot.read(Math.min(left, largest))).slice(); // it goes to another thread
      left -= bytes.length;
      return bytes;
    };
    await writeInThread(files, next, maxShardSize, onCopied);
  } finally {
    snapshot.close();
  }
}

/**
 * Where the newest whole checkpoint of that name is: what `saveCheckpoint` wrote last, or where that is damaged, what it
 * kept from before. Every file is read and compared. `onDamaged` is told what is wrong with the newest.
 *
 * @throws {WeftError} when there is none, or none that is whole.
 */
export async function findCheckpoint(directory: string, onDamaged: (problem: string) => void): Promise<string> {
  const path = await findDirectory(directory), old = `${directory}.old`;
  if (path === undefined) throw new WeftError(`${directory} holds no checkpoint to resume from`);
  try {
    await verifyChecksums(path);
    await loadTrainerState(path, { verify: false });
    return path;
  } catch (error) {
    if (!(error instanceof WeftError) || path === old || await findDirectory(old) !== old) throw error;
    await verifyChecksums(old).catch((worse) => {
      throw new WeftError(`${error.message}; and of the one before: ${worse.message}`);
    });
    onDamaged(error.message);
    return old;
  }
}

/**
 * Reads the model and the tokenizer of a checkpoint, or of any directory that holds a GPT-2 in Hugging Face's layout:
 * `model.safetensors`, in one file or in several, `config.json`, and `tokenizer.json` or `vocab.json` with `merges.txt`.
 * `overrides` change the model.
 *
 * @throws {WeftError} when there is none, it is damaged, or it is a model that Weft cannot compute.
 */
export async function loadCheckpoint(
  gpu: Gpu,
  directory: string,
  { verify = true, ...overrides }: LoadOptions & ModelOverrides = {},
): Promise<{ model: LanguageModel; tokenizer: Tokenizer; path: string }> {
  const path = await findDirectory(directory);
  if (path === undefined) throw new WeftError(`${directory} holds no checkpoint: train one with --out_dir`);
  if (verify) await verifyChecksums(path, (name) => !ofTraining(name));
  const config = await readJson(`${path}/config.json`), tokenizer = await loadTokenizer(path);
  const model = modelFromConfigJson(gpu, config, `${path}/config.json`, overrides);
  using files = await WeightFiles.open(path);
  if (tokenizer.vocabSize > model.vocabSize) {
    throw new WeftError(`${path}: its tokenizer has ${tokenizer.vocabSize} tokens and its model ${model.vocabSize}`);
  }
  await loadWeights(model, files);
  return { model, tokenizer, path };
}

/** Reads where the run of a checkpoint stands. */
export async function loadTrainerState(directory: string, { verify = true }: LoadOptions = {}): Promise<TrainerState> {
  const path = await findDirectory(directory);
  if (path === undefined) throw new WeftError(`${directory} holds no checkpoint to resume from`);
  if (verify) await verifyChecksums(path, (name) => name === "trainer_state.json");
  const file = `${path}/trainer_state.json`, json = await readJson(file);
  const { step, loader_position, best_validation, random_counter, config, engine_version } = json;
  const whole = (value: unknown): value is number => Number.isSafeInteger(value) && value as number >= 0;
  if (!whole(step) || !whole(random_counter) || !isObject(config)) {
    throw new WeftError(`${file} is damaged: step, random_counter or config is missing or of the wrong type`);
  }
  return {
    step,
    ...whole(loader_position) ? { loader_position } : {},
    ...typeof best_validation === "number" ? { best_validation } : {},
    random_counter,
    config,
    ...typeof engine_version === "string" ? { engine_version } : {},
  };
}

/**
 * Puts the optimizer into the state of a checkpoint.
 *
 * @throws {WeftError} when the checkpoint is damaged, or its moments are not those of the optimizer's parameters.
 */
export async function restoreOptimizer(
  directory: string,
  optimizer: AdamW,
  { verify = true }: LoadOptions = {},
): Promise<void> {
  const path = await findDirectory(directory) ?? directory;
  if (verify) await verifyChecksums(path, (name) => name.startsWith("optimizer"));
  using files = await WeightFiles.open(path, "optimizer");
  const { tensors, metadata } = files;
  const state = optimizer.state(), steps = Number(metadata.steps);
  if (!tensors.has("loss_scale")) state.delete("loss_scale"); // a checkpoint of before there was one
  const fits = tensors.size === state.size && Number.isSafeInteger(steps) &&
    [...state].every(([name, { shape }]) => sameShape(tensors.get(name)?.shape ?? [-1], shape));
  if (!fits) throw new WeftError(`${files.path} is not of this model: its moments have other names or shapes`);
  await fillTensors([...state].map(([name, tensor]) => [tensor, name]), files);
  if (state.has("loss_scale")) {
    const [scale] = await optimizer.lossScale.read(), { gpu, storage } = optimizer.lossScale;
    if (scale === 1 || !optimizer.scalesLoss) gpu.write(storage, new Float32Array([optimizer.initialLossScale]));
  }
  optimizer.steps = steps;
}

/** Whether a file of a checkpoint is for a resume alone. */
function ofTraining(name: string): boolean {
  return name.startsWith("optimizer") || name === "trainer_state.json";
}

function shapesOf(tensors: Iterable<[string, { readonly shape: readonly number[] }]>): TensorShapes {
  return Array.from(tensors, ([name, { shape }]) => [name, shape]);
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
    if (isObject(value)) return value;
  } catch {
    // falls through to the one message
  }
  throw new WeftError(`${path} is damaged: it is not a JSON object`);
}
