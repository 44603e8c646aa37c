import { WeftError } from "../engine/weft_error.ts";
import { describeAllowed, type OptionLayer, type OptionSpec, type OptionValues, resolveOptions } from "./options.ts";

/**
 * Every key of a training configuration: its type, default, range and one line of help. Files, flags, `--help`, the
 * checks and the README's table all come from here. Names are nanoGPT's. Defaults are those of its small model for the
 * CPU on Tiny Shakespeare.
 */
export const trainOptions = {
  out_dir: { type: "string", default: "out", help: "folder of the checkpoints `last` and `best`" },
  overwrite: { type: "bool", default: false, help: "start anew in an out_dir that holds another run" },
  init_from: {
    type: "string",
    default: "scratch",
    help: "scratch; resume, to go on from out_dir; gpt2, -medium, -large, -xl; or a folder with a GPT-2 or a run",
  },
  dataset: {
    type: "string",
    default: "",
    help: "a text file, a folder of `data prepare`, or `shakespeare`; without one what can be had",
  },
  tokenizer: {
    type: "string",
    default: "",
    help: "a tokenizer.json for the text; without one its characters are the tokens",
  },
  batch_order: {
    type: "string",
    choices: ["random", "permutation"],
    default: "random",
    help: "chunks to learn from: drawn anywhere, or each once in an epoch",
  },
  document_boundaries: {
    type: "bool",
    default: false,
    help: "each chunk is of one document, and what a row has left behind its end does not count",
  },
  seed: { type: "int", default: 1337, min: 0, help: "of parameters, batches and dropout" },
  model: { type: "string", choices: ["gpt", "bigram"], default: "gpt", help: "kind of model" },
  n_layer: { type: "int", default: 4, min: 1, help: "blocks" },
  n_head: { type: "int", default: 4, min: 1, help: "attention heads of a block" },
  n_embd: { type: "int", default: 128, min: 1, help: "width, divisible by n_head" },
  block_size: { type: "int", default: 64, min: 1, help: "longest context, in tokens" },
  bias: { type: "bool", default: false, help: "biases in linear layers and layer norms" },
  activation: {
    type: "string",
    choices: ["gelu_tanh", "gelu_erf"],
    default: "gelu_erf",
    help: "which GELU; nanoGPT trains with erf, GPT-2 with tanh",
  },
  dtype: {
    type: "string",
    choices: ["float32", "float16"],
    default: "float32",
    help: "how weights and activations are stored while computing; parameters, sums and checkpoints are float32",
  },
  dropout: { type: "real", default: 0, min: 0, below: 1, help: "probability of dropout while training" },
  batch_size: { type: "int", default: 12, min: 1, help: "sequences of a micro-batch" },
  gradient_accumulation_steps: { type: "int", default: 1, min: 1, help: "micro-batches of a step" },
  max_iters: { type: "int", default: 2000, min: 0, help: "steps of the run" },
  learning_rate: { type: "real", default: 1e-3, min: 0, help: "highest learning rate" },
  min_lr: { type: "real", default: 1e-4, min: 0, help: "learning rate at the end of the decay" },
  decay_lr: { type: "bool", default: true, help: "whether the learning rate warms up and decays" },
  warmup_iters: { type: "int", default: 100, min: 0, help: "steps of linear warmup" },
  lr_decay_iters: { type: "int", default: 2000, min: 0, help: "step at which the cosine decay ends" },
  weight_decay: { type: "real", default: 0.1, min: 0, help: "of tensors with two or more dimensions" },
  beta1: { type: "real", default: 0.9, min: 0, below: 1, help: "AdamW's decay of the mean of gradients" },
  beta2: {
    type: "real",
    default: 0.99,
    min: 0,
    below: 1,
    help: "AdamW's decay of the mean of squared gradients",
  },
  grad_clip: { type: "real", default: 1, min: 0, help: "largest norm of the gradients, 0 for none" },
  eval_interval: {
    type: "int",
    default: 250,
    min: 1,
    help: "steps between evaluations, each with a checkpoint",
  },
  eval_iters: {
    type: "int",
    default: 20,
    min: 1,
    help: "batches of an evaluation, of each part of the text",
  },
  log_interval: { type: "int", default: 10, min: 1, help: "steps between lines of progress" },
  keep: {
    type: "int",
    default: 0,
    min: 0,
    help: "every so many evaluations the checkpoint is kept, as `step_NNNNNN`; 0 for none",
  },
  max_shard_size: {
    type: "real",
    default: 2,
    min: 1e-6,
    help: "GB of tensors in one file of a checkpoint, and of memory for a copy while it is written",
  },
  always_save_checkpoint: {
    type: "bool",
    default: false,
    help: "save `best` at every evaluation, better or not",
  },
  sample_tokens: {
    type: "int",
    default: 200,
    min: 0,
    help: "tokens of the sample at each evaluation, 0 for none",
  },
  shaders: {
    type: "string",
    default: "",
    help: "folder of .wgsl files that take the place of the built-in ones",
  },
  activation_checkpointing: {
    type: "bool",
    default: false,
    help: "compute each block a second time for its gradient: less memory, about a third more work",
  },
  tune: {
    type: "string",
    default: "on",
    choices: ["off", "on", "again"],
    help: "choose kernels by measurement before the first step; `on` takes what .cache/tune.json knows",
  },
  profile: { type: "bool", default: false, help: "print the GPU time of each kernel of one step, and stop" },
} as const;

/** A whole, checked training configuration. */
export type TrainConfig = OptionValues<typeof trainOptions>;

/**
 * nanoGPT's small model for a CPU, 0.8 million parameters, at three times its learning rate: with 1e-3 it is far from done
 * after 2000 steps, and its validation loss on Tiny Shakespeare 0.1 higher.
 */
export const cpuPreset: Partial<TrainConfig> = { learning_rate: 3e-3 };

/** nanoGPT's small model for one GPU: 10.6 million parameters; validation loss 1.47 on Tiny Shakespeare. */
export const gpuPreset: Partial<TrainConfig> = {
  n_layer: 6,
  n_head: 6,
  n_embd: 384,
  block_size: 256,
  batch_size: 64,
  dropout: 0.2,
  max_iters: 5000,
  lr_decay_iters: 5000,
  eval_iters: 200,
};

/**
 * A configuration from layers, each over those before it.
 *
 * @throws {WeftError} at an unknown key, a wrong type, a value out of range, or values that do not go together.
 *
 * @example
 * ```ts
 * import { resolveTrainConfig } from "./train_config.ts";
 * const config = resolveTrainConfig([{ source: "command line", values: { n_layer: "2", learning_rate: "3e-4" } }]);
 * console.log(config.n_layer, config.learning_rate, config.block_size); // 2, 0.0003, 64
 * ```
 */
export function resolveTrainConfig(layers: readonly OptionLayer[]): TrainConfig {
  const config = resolveOptions(trainOptions, layers);
  const { n_embd, n_head, warmup_iters, lr_decay_iters, decay_lr, min_lr, learning_rate } = config;
  if (config.model === "gpt" && n_embd % n_head !== 0) {
    const near = Math.max(1, Math.round(n_embd / n_head)) * n_head;
    throw new WeftError(
      `n_embd is ${n_embd}, which is not divisible by n_head, ${n_head}; the nearest that is: ${near}`,
    );
  }
  if (config.model === "bigram" && config.dtype === "float16") {
    throw new WeftError("dtype is float16, which the bigram model does not have: it must be float32");
  }
  if (decay_lr && lr_decay_iters < warmup_iters) {
    throw new WeftError(
      `lr_decay_iters is ${lr_decay_iters}: it must not be below warmup_iters, ${warmup_iters}`,
    );
  }
  if (decay_lr && min_lr > learning_rate) {
    throw new WeftError(`min_lr is ${min_lr}: it must not be above learning_rate, ${learning_rate}`);
  }
  return config;
}

/** Every key as a row of a Markdown table: name, default, what is allowed, meaning. */
export function configMarkdown(): string {
  const rows = Object.entries<OptionSpec>(trainOptions).map(([name, spec]) => {
    const standard = spec.default === "" ? "" : `\`${spec.default}\``;
    return [`\`${name}\``, standard, describeAllowed(spec), spec.help];
  });
  const lines = [["key", "default", "allowed", "meaning"], ["---", "---", "---", "---"], ...rows];
  return lines.map((cells) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`).join("\n");
}
