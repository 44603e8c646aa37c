import type { Gpu } from "../engine/gpu.ts";
import { measureFlops } from "./peaks.ts";
import { RandomStream } from "../engine/random.ts";
import { WeftError } from "../engine/weft_error.ts";
import { Bigram } from "../model/bigram.ts";
import { CharTokenizer } from "../model/char_tokenizer.ts";
import { generate } from "../model/generate.ts";
import { Gpt } from "../model/gpt.ts";
import type { GptConfig } from "../model/gpt_config.ts";
import type { LanguageModel } from "../model/language_model.ts";
import type { Tokenizer } from "../model/tokenizer.ts";
import { AdamW, firstLossScale } from "../train/adamw.ts";
import { Batches } from "../train/batches.ts";
import { loadCheckpoint, restoreOptimizer } from "../train/checkpoint.ts";
import { CheckpointWriter } from "../train/checkpoint_writer.ts";
import { DirectoryLock } from "../train/directory_lock.ts";
import { checkFit } from "../train/fit.ts";
import { describeOptions, type OptionLayer } from "../train/options.ts";
import { learningRateAt } from "../train/schedule.ts";
import { resolveTrainConfig, type TrainConfig, trainOptions } from "../train/train_config.ts";
import { type StepReport, Trainer } from "../train/trainer.ts";
import { type Beginning, chooseBeginning } from "./beginning.ts";
import { parseCommandLine } from "./command_line.ts";
import { formatCount, formatDuration } from "./format.ts";
import { openGpu } from "./open_gpu.ts";
import { Progress } from "./progress.ts";
import { runCommand } from "./run_command.ts";
import { loadTrainData } from "./train_data.ts";
import { tuneWithCache } from "./tune_cache.ts";
import { readYamlConfig } from "./yaml_config.ts";

const help = `Trains a GPT on a text.

  deno task train [config.yaml] [--key=value …]

Without a file it picks a model for the adapter, and without --dataset a text. Keys, with their defaults:

${describeOptions(trainOptions)}`;

/** `deno task train`. */
export async function trainCommand(args: string[]): Promise<void> {
  const { words, flags, help: wantsHelp } = parseCommandLine(args, { words: 1, options: trainOptions });
  if (wantsHelp) return console.log(help);
  const layers: OptionLayer[] = [];
  if (words[0] !== undefined) layers.push({ source: words[0], values: await readYamlConfig(words[0]) });
  layers.push({ source: "command line", values: flags });
  const asked = resolveTrainConfig(layers); // what is wrong is said before anything is opened
  const progress = new Progress();
  using gpu = await openGpu(asked.shaders);
  progress.print(`adapter: ${gpu.info.description || "unnamed"} (a ${gpu.isCpu ? "CPU" : "GPU"})`);
  using _lock = asked.profile ? undefined : await DirectoryLock.take(asked.out_dir);
  const beginning = await chooseBeginning(gpu, asked, layers, progress), { config } = beginning;
  const run = await prepareRun(gpu, beginning, progress);
  await tuneWithCache(gpu, config.tune, {
    replacedShaders: config.shaders !== "",
    measure: () =>
      run.trainer.tune((done, of) => {
        if (done > 0 && done < of && !Deno.stdout.isTerminal()) return;
        progress.update(`choosing kernels by measurement: ${done} of ${of} shapes (--tune=off leaves it out)`);
      }),
  });
  if (config.profile) return await printProfile(gpu, run, progress);
  await train(gpu, config, run, progress);
}

interface Run {
  readonly model: LanguageModel;
  readonly optimizer: AdamW;
  readonly tokenizer: Tokenizer;
  readonly trainer: Trainer;
  readonly best: { validation: number };
  /** Whether `last` in out_dir is of this run. */
  hasLast: boolean;
}

async function prepareRun(gpu: Gpu, beginning: Beginning, progress: Progress): Promise<Run> {
  const { config, path, shape, resumed } = beginning, { block_size, dropout } = config;
  if (shape !== undefined) checkMemory(gpu, shape, config);
  const options = resumed ? { verify: false } : { block_size, dropout }; // all was compared when it was found
  const loaded = path === undefined ? undefined : await loadCheckpoint(gpu, path, options);
  const data = await loadTrainData(config, loaded?.tokenizer, progress), { tokenizer } = data;
  const batches = (part: "train" | "validation", stream: number) =>
    new Batches(data[part], {
      batchSize: config.batch_size,
      blockSize: config.block_size,
      seed: config.seed,
      stream,
      order: stream === 1 ? config.batch_order : "random", // evaluations take a sample
      endOfText: data.endOfText,
      name: part === "train" ? `text to learn from (${data.name})` : `text to validate on (${data.name})`,
    });
  const [learning, estimating, validating] = [
    batches("train", 1),
    batches("train", 2),
    batches("validation", 3),
  ];
  const model = loaded ? checkLoaded(loaded.model, config, path!) : makeModel(gpu, config, tokenizer.vocabSize);
  const optimizer = new AdamW(model.parameters(), {
    beta1: config.beta1,
    beta2: config.beta2,
    weightDecay: config.weight_decay,
    ...config.dtype === "float16" ? { lossScale: firstLossScale } : {},
  });
  if (resumed) await restoreOptimizer(path!, optimizer, { verify: false });
  if (model instanceof Gpt) {
    model.activationCheckpointing = config.activation_checkpointing;
    model.dtype = storageType(gpu, config);
    model.random = new RandomStream(config.seed, resumed?.random_counter ?? 0);
  }
  progress.print(`model: ${describeModel(model)}; checkpoints go to ${config.out_dir}/`);
  if (path !== undefined) {
    progress.print(resumed ? `resuming after step ${resumed.step}` : `going on from the model in ${path}`);
  }
  const trainer = new Trainer({
    model,
    optimizer,
    batches: learning,
    evaluation: { train: estimating, validation: validating },
    learningRate: (step) =>
      learningRateAt(step, {
        learningRate: config.learning_rate,
        minLr: config.min_lr,
        warmupIters: config.warmup_iters,
        lrDecayIters: config.lr_decay_iters,
        decayLr: config.decay_lr,
      }),
    maxIters: config.max_iters,
    gradAccumSteps: config.gradient_accumulation_steps,
    gradClip: config.grad_clip,
    logInterval: config.log_interval,
    evalInterval: config.eval_interval,
    evalIters: config.eval_iters,
    step: resumed?.step,
    loaderPosition: resumed?.loader_position,
  });
  const best = { validation: resumed?.best_validation ?? Infinity };
  return { model, optimizer, tokenizer, trainer, best, hasLast: resumed !== undefined };
}

async function train(gpu: Gpu, config: TrainConfig, run: Run, progress: Progress): Promise<void> {
  const { model, optimizer, tokenizer, trainer, best } = run;
  const writer = new CheckpointWriter();
  const save = async (...copies: string[]): Promise<void> => {
    const state = {
      step: trainer.step,
      loader_position: trainer.loaderPosition,
      best_validation: Number.isFinite(best.validation) ? best.validation : undefined,
      random_counter: model instanceof Gpt ? model.random.counter : 0,
      config: { ...config, init_from: "scratch" },
    };
    await writer.save(`${config.out_dir}/last`, { model, tokenizer, optimizer, state }, {
      copies: copies.map((name) => `${config.out_dir}/${name}`),
      keepPrevious: run.hasLast, // what an older run left is no way back
      maxShardSize: config.max_shard_size * 1e9,
    });
    run.hasLast = true;
  };
  const peak = await measureFlops(gpu);
  const flopsPerToken = flopsOf(model);
  const stop = new AbortController();
  let interrupts = 0;
  const interrupt = (): void => {
    if (++interrupts > 1) Deno.exit(130);
    progress.print("stopping after the steps that were begun; Ctrl-C again stops at once");
    stop.abort();
  };
  Deno.addSignalListener("SIGINT", interrupt);
  try {
    let warm = false, steps = 0, seconds = 0, skipped = 0;
    await trainer.run({
      signal: stop.signal,
      onSteps: (report) => {
        writer.check();
        // The first report holds the compilation of kernels, which says nothing of the time that is left.
        if (warm) {
          seconds += report.seconds;
          steps += report.losses.length;
        }
        warm = true;
        skipped += report.skipped;
        const each = steps > 0 ? seconds / steps : report.seconds / report.losses.length;
        const left = formatDuration(each * (config.max_iters - report.step));
        const note = skipped > 0 ? `  ${skipped} skipped` : "";
        progress.update(stepLine(report, `${left} left`, flopsPerToken / peak) + note);
      },
      onEvaluation: async ({ step, train, validation }) => {
        const improved = step > 0 && validation < best.validation; // at step 0 nothing is learned that could be saved
        if (improved) best.validation = validation;
        progress.print(
          `step ${step}: train loss ${train.toFixed(4)}, validation loss ${validation.toFixed(4)}${
            improved ? " (best)" : ""
          }`,
        );
        if (config.sample_tokens > 0) progress.print(await sampleText(model, tokenizer, config));
        if (step === 0) return;
        const kept = config.keep > 0 && step % (config.keep * config.eval_interval) === 0;
        await save(
          ...improved || config.always_save_checkpoint ? ["best"] : [],
          ...kept ? [`step_${String(step).padStart(6, "0")}`] : [],
        );
      },
    });
    if (stop.signal.aborted) {
      await save();
      await writer.finish();
      progress.print(
        `saved after step ${trainer.step} in ${config.out_dir}/last; go on with: deno task train ` +
          `--init_from=resume --out_dir=${config.out_dir}`,
      );
      Deno.exitCode = 130;
    } else {
      await writer.finish();
      const reached = Number.isFinite(best.validation) ? `best validation loss ${best.validation.toFixed(4)}; ` : "";
      progress.print(`done: ${reached}write text with: deno task generate --out_dir=${config.out_dir}`);
    }
  } finally {
    await writer.finish().catch(() => {}); // what failed was said
    progress.done();
    Deno.removeSignalListener("SIGINT", interrupt);
  }
}

function makeModel(gpu: Gpu, config: TrainConfig, vocabSize: number): LanguageModel {
  const { seed, block_size } = config;
  if (config.model === "bigram") return new Bigram(gpu, { vocab_size: vocabSize, block_size }, { seed });
  const { n_layer, n_head, n_embd, bias, dropout, activation } = config;
  const shape: GptConfig = {
    n_layer,
    n_head,
    n_embd,
    block_size,
    vocab_size: vocabSize,
    bias,
    dropout,
    activation,
  };
  checkMemory(gpu, shape, config);
  return new Gpt(gpu, shape, { seed });
}

/** Says what would not fit before anything is allocated. */
function checkMemory(gpu: Gpu, shape: GptConfig, config: TrainConfig): void {
  // A CPU adapter's memory is the machine's.
  const memory = gpu.isCpu ? Deno.systemMemoryInfo().available : undefined;
  checkFit(gpu, shape, {
    batchSize: config.batch_size,
    memory,
    activationCheckpointing: config.activation_checkpointing,
    dtype: storageType(gpu, config),
  });
}

/** How tensors are stored: where the adapter cannot do what is asked for, that is said before anything else. */
function storageType(gpu: Gpu, { dtype }: TrainConfig): "f32" | "f16" {
  if (dtype === "float16" && !gpu.hasF16) {
    throw new WeftError(
      `dtype is float16, which ${gpu.info.description || "this adapter"} cannot do: it must be float32`,
    );
  }
  return dtype === "float16" ? "f16" : "f32";
}

/** A model that is loaded must be the one that is asked for: other sizes would be silently ignored. */
function checkLoaded(model: LanguageModel, config: TrainConfig, name: string): LanguageModel {
  const kind = model instanceof Gpt ? "gpt" : "bigram";
  const found: Partial<Record<keyof TrainConfig, unknown>> = model instanceof Gpt
    ? { model: kind, ...model.config }
    : { model: kind, block_size: model.blockSize };
  for (
    const key of [
      "model",
      "n_layer",
      "n_head",
      "n_embd",
      "block_size",
      "bias",
      "activation",
      "dropout",
    ] as const
  ) {
    if (found[key] !== undefined && found[key] !== config[key]) {
      throw new WeftError(
        `${name} holds a model with ${key} ${found[key]}, and ${
          config[key]
        } is asked for: leave ${key} out, or begin ` +
          `from another`,
      );
    }
  }
  return model;
}

function describeModel(model: LanguageModel): string {
  let count = 0;
  for (const { size } of model.parameters().values()) count += size;
  if (!(model instanceof Gpt)) return `bigram, ${count} parameters`;
  const { n_layer, n_head, n_embd, block_size } = model.config;
  return `GPT, ${count} parameters: n_layer ${n_layer}, n_head ${n_head}, n_embd ${n_embd}, block_size ${block_size}`;
}

/** Operations of forward and backward for one token: 6 N + 6 L C T, with N without positions, and attention causal. */
function flopsOf(model: LanguageModel): number {
  let count = 0;
  for (const [name, { size }] of model.parameters()) if (name !== "wpe.weight") count += size;
  if (!(model instanceof Gpt)) return 6 * count;
  const { n_layer, n_embd, block_size } = model.config;
  return 6 * count + 6 * n_layer * n_embd * block_size;
}

/** On a terminal of 80 columns all but the last words are seen. */
function stepLine(report: StepReport, left: string, peakSharePerTokenRate: number): string {
  const tokensPerSecond = report.tokens / report.seconds;
  return [
    `step ${report.step}`,
    `loss ${report.losses.at(-1)!.toFixed(4)}`,
    `lr ${report.lr.toExponential(2)}`,
    `norm ${report.gradNorms.at(-1)!.toFixed(2)}`,
    `${formatCount(tokensPerSecond)} tokens/s`,
    left,
    `${(100 * tokensPerSecond * peakSharePerTokenRate).toFixed(0)} % of peak`,
  ].join("  ");
}

async function sampleText(
  model: LanguageModel,
  tokenizer: Tokenizer,
  config: TrainConfig,
): Promise<string> {
  const newline = tokenizer instanceof CharTokenizer ? Math.max(0, tokenizer.characters.indexOf("\n")) : undefined;
  const ids: number[] = [];
  const tokens = generate(model, [newline ?? tokenizer.endOfText ?? tokenizer.encode("\n")[0]], {
    maxNewTokens: config.sample_tokens,
    temperature: 0.8,
    seed: config.seed,
  });
  for await (const id of tokens) ids.push(id);
  return tokenizer.decode(ids).split("\n").map((line) => `  | ${line}`).join("\n");
}

async function printProfile(gpu: Gpu, run: Run, progress: Progress): Promise<void> {
  await run.trainer.steps(3); // compiles kernels and fills the pool
  const times = await gpu.profile(() => run.trainer.steps(1));
  const total = times.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  for (const { kernel, dispatches, milliseconds } of times) {
    const share = (100 * milliseconds / total).toFixed(1).padStart(5);
    progress.print(
      `${kernel.padEnd(38)} ${String(dispatches).padStart(5)} × ${milliseconds.toFixed(3).padStart(10)} ms ${share} %`,
    );
  }
  progress.print(`${"one step".padEnd(38)}         ${total.toFixed(3).padStart(10)} ms on the GPU`);
}

if (import.meta.main) await runCommand(trainCommand);
