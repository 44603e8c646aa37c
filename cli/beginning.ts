import type { Gpu } from "../engine/gpu.ts";
import { WeftError } from "../engine/weft_error.ts";
import type { GptConfig } from "../model/gpt_config.ts";
import { gptConfigFromJson, type ModelConfigJson } from "../model/model_config.ts";
import { findDirectory, revertDirectory } from "../train/atomic_directory.ts";
import { findCheckpoint, loadTrainerState, type TrainerState } from "../train/checkpoint.ts";
import { hubModels } from "../train/hub_models.ts";
import type { OptionLayer } from "../train/options.ts";
import { cpuPreset, gpuPreset, resolveTrainConfig, type TrainConfig } from "../train/train_config.ts";
import type { Progress } from "./progress.ts";

/** Where a run begins. */
export interface Beginning {
  /** The whole configuration. */
  readonly config: TrainConfig;
  /** The folder of the model that the run goes on from, if it does. */
  readonly path?: string;
  /** That model's shape, if it is a GPT. */
  readonly shape?: GptConfig;
  /** Where the run stood that is resumed, if one is. */
  readonly resumed?: TrainerState;
}

/**
 * Finds what `init_from` says, and lays what belongs to it under the layers that were asked for: the preset of the
 * adapter, the configuration of the run that is resumed, or the sizes of the model that is loaded.
 *
 * @throws {WeftError} when there is nothing of that name, it is damaged, or out_dir holds another run.
 */
export async function chooseBeginning(
  gpu: Gpu,
  asked: TrainConfig,
  layers: readonly OptionLayer[],
  progress: Progress,
): Promise<Beginning> {
  const { out_dir, init_from } = asked;
  if (init_from === "resume") return await resume(out_dir, layers, progress);
  for (const name of ["last", "best"]) {
    const found = asked.overwrite || asked.profile ? undefined : await findDirectory(`${out_dir}/${name}`);
    if (found !== undefined) {
      throw new WeftError(
        `${found} holds a trained model: go on with --init_from=resume, start anew with --overwrite=true, or choose ` +
          `another --out_dir`,
      );
    }
  }
  if (init_from !== "scratch") return await fromModel(init_from, layers);
  if (layers.length > 1) return { config: asked }; // there is a file
  const preset = gpu.isCpu ? cpuPreset : gpuPreset;
  progress.print(
    `no config file: nanoGPT's model for a ${gpu.isCpu ? "CPU" : "GPU"}, with the flags given over it`,
  );
  return { config: resolveTrainConfig([{ source: "preset", values: preset }, ...layers]) };
}

/** The newest whole checkpoint; a damaged one is told of and set aside. */
async function resume(out_dir: string, layers: readonly OptionLayer[], progress: Progress): Promise<Beginning> {
  const last = `${out_dir}/last`;
  let problem: string | undefined, path = await findCheckpoint(last, (what) => problem = what);
  if (problem !== undefined) {
    const damaged = await revertDirectory(last);
    path = last;
    progress.print(
      `warning: ${problem}; going on from the checkpoint before it, the damaged one is kept as ${damaged}`,
    );
  }
  const resumed = await loadTrainerState(path, { verify: false });
  const { overwrite: _, profile: __, ...saved } = resumed.config;
  const values = { ...saved, out_dir }; // the folder may have been moved
  const config = resolveTrainConfig([{ source: `${path}/trainer_state.json`, values }, ...layers]);
  const shape = config.model === "gpt" ? gptConfigFromJson(...await readConfig(path)) : undefined;
  return { config, path, shape, resumed };
}

/** A model of the hub, of another run, or of a folder in Hugging Face's layout. */
async function fromModel(init_from: string, layers: readonly OptionLayer[]): Promise<Beginning> {
  const path = await findModel(init_from), [json, name] = await readConfig(path);
  if (json.model_type !== "gpt2") {
    throw new WeftError(`${name}: model_type is ${JSON.stringify(json.model_type)}: init_from takes a gpt2`);
  }
  const { vocab_size: _, ...values } = gptConfigFromJson(json, name);
  const config = resolveTrainConfig([{ source: name, values: { model: "gpt", ...values } }, ...layers]);
  const { block_size, dropout } = config;
  return { config, path, shape: gptConfigFromJson(json, name, { block_size, dropout }) };
}

async function findModel(init_from: string): Promise<string> {
  const isHubs = Object.hasOwn(hubModels, init_from), folder = isHubs ? `models/${init_from}` : init_from;
  for (const path of [folder, `${folder}/best`, `${folder}/last`]) {
    const found = await findDirectory(path);
    if (found !== undefined && await isThere(`${found}/config.json`)) return found;
  }
  throw new WeftError(
    isHubs
      ? `init_from is ${init_from}, and ${folder} holds no model: get it with \`deno task get ${init_from}\``
      : `init_from is ${JSON.stringify(init_from)}: it must be scratch, resume, ${
        Object.keys(hubModels).join(", ")
      }, ` +
        `or a folder that holds a model, with its config.json`,
  );
}

async function readConfig(path: string): Promise<[json: ModelConfigJson, name: string]> {
  const name = `${path}/config.json`;
  try {
    const json: unknown = JSON.parse(await Deno.readTextFile(name));
    if (typeof json === "object" && json !== null) return [json as ModelConfigJson, name];
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw new WeftError(`${name} cannot be read: ${(error as Error).message}`);
  }
  throw new WeftError(`${name} is damaged: it is not a JSON object`);
}

async function isThere(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
