import { formatBytes } from "../engine/buffer_pool.ts";
import { fill } from "../engine/ops/copy.ts";
import { matmul } from "../engine/ops/matmul.ts";
import { Scope } from "../engine/scope.ts";
import { describeOptions, type OptionLayer, resolveOptions } from "../train/options.ts";
import { planStep } from "../train/plan.ts";
import { cpuPreset, gpuPreset, resolveTrainConfig, trainOptions } from "../train/train_config.ts";
import { boundOf } from "./bench_cases.ts";
import { parseCommandLine } from "./command_line.ts";
import { formatCount, formatDuration } from "./format.ts";
import { openGpu } from "./open_gpu.ts";
import { measurePeaks, secondsEach } from "./peaks.ts";
import { runCommand } from "./run_command.ts";
import { tuneWithCache } from "./tune_cache.ts";
import { readYamlConfig } from "./yaml_config.ts";

const own = {
  config: { type: "string", default: "", help: "configuration to plan; the preset of the adapter without one" },
  vocab_size: { type: "int", default: 65, min: 1, help: "kinds of tokens: those of the text, or 50257 for GPT-2's" },
  json: { type: "bool", default: false, help: "print everything as JSON" },
} as const;

const options = { ...trainOptions, ...own };

const help = `Says what a training run would take on this adapter, before anything is allocated.

  deno task plan [config.yaml] [--key=value …]

Beside the keys of train:

${describeOptions(own)}`;

/** `deno task plan`. */
export async function planCommand(args: string[]): Promise<void> {
  const { words, flags, help: wantsHelp } = parseCommandLine(args, { words: 1, options });
  if (wantsHelp) return console.log(help);
  const { config: named, vocab_size, json } = resolveOptions(options, [{ source: "command line", values: flags }]);
  const training = Object.fromEntries(Object.entries(flags).filter(([name]) => !Object.hasOwn(own, name)));
  const file = words[0] ?? (named || undefined);
  const layers: OptionLayer[] = file === undefined ? [] : [{ source: file, values: await readYamlConfig(file) }];
  layers.push({ source: "command line", values: training });
  resolveTrainConfig(layers); // what is wrong is said before anything is opened
  using gpu = await openGpu();
  if (file === undefined) layers.unshift({ source: "preset", values: gpu.isCpu ? cpuPreset : gpuPreset });
  const config = resolveTrainConfig(layers);
  await tuneWithCache(gpu, config.tune, { replacedShaders: false, measure: () => Promise.resolve(0) });
  const { n_layer, n_head, n_embd, block_size, bias, dropout, activation } = config;
  const { batch_size: batchSize, gradient_accumulation_steps: gradAccumSteps } = config;
  const plan = planStep(
    gpu,
    { n_layer, n_head, n_embd, block_size, vocab_size, bias, dropout, activation },
    {
      batchSize,
      gradAccumSteps,
      activationCheckpointing: config.activation_checkpointing,
      dtype: config.dtype === "float16" ? "f16" : "f32",
    },
  );
  const measured = await measurePeaks(gpu), { micro, optimizer } = plan.dispatches;
  // Products do not reach the peak of a loop in registers: what one reaches says more of the time that a step will take. Where
  // something else slowed that loop down, it is a peak of its own.
  const reached = { ...measured, flops: await productRate(gpu) };
  const peaks = { ...measured, flops: Math.max(measured.flops, reached.flops) };
  const stepBound = gradAccumSteps * boundOf(micro, peaks) + boundOf(optimizer, peaks);
  const expected = gradAccumSteps * boundOf(micro, reached) + boundOf(optimizer, reached);
  const { memory } = plan;
  if (json) {
    const { dispatches: _, ...numbers } = plan;
    console.log(JSON.stringify({ ...numbers, peaks, stepBound, expected }, null, 2));
    return;
  }
  const tokens = gradAccumSteps * batchSize * block_size;
  const rows: [string, string][] = [
    ["adapter", gpu.info.description || "unnamed"],
    ["parameters", String(plan.parameters)],
    ["operations", `${formatCount(plan.flops)}FLOP a step of ${tokens} tokens`],
    ["weights", formatBytes(memory.weights)],
    ["gradients", formatBytes(memory.gradients)],
    ["optimizer", formatBytes(memory.optimizer)],
    ["activations", `${formatBytes(memory.activations)} at the end of the forward pass`],
    ["workspace", `${formatBytes(memory.workspace)} more at the worst moment, gradients so far among it`],
    ["peak", `${formatBytes(memory.peak)} in use at one moment; ${formatBytes(memory.reserved)} in all buffers`],
    [
      "bound",
      `${formatTime(stepBound)} a step: none can be faster at ${formatCount(peaks.flops)}FLOP/s and ` +
      `${formatCount(peaks.bandwidth)}B/s`,
    ],
    [
      "expected",
      `${formatTime(expected)} a step or more, at the ${formatCount(reached.flops)}FLOP/s of a product; ` +
      `${formatDuration(expected * config.max_iters)} for ${config.max_iters} steps`,
    ],
  ];
  for (const [name, value] of rows) console.log(name.padEnd(13) + value);
}

function formatTime(seconds: number): string {
  return seconds < 1 ? `${(1000 * seconds).toFixed(1)} ms` : `${seconds.toFixed(2)} s`;
}

/** Operations per second in a product of middling size. */
async function productRate(gpu: Awaited<ReturnType<typeof openGpu>>): Promise<number> {
  using _ = new Scope(gpu);
  const size = gpu.isCpu ? 512 : 2048, a = fill(gpu, [size, size], 0.5), b = fill(gpu, [size, size], 0.25);
  return 2 * size ** 3 / await secondsEach(gpu, () => {
    using _ = new Scope(gpu);
    matmul(a, b);
  });
}

if (import.meta.main) await runCommand(planCommand);
