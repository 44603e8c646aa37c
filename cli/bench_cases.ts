import type { Dispatch } from "../engine/recorder.ts";
import { backward } from "../engine/backward.ts";
import type { Gpu } from "../engine/gpu.ts";
import { selfAttention } from "../engine/ops/attention.ts";
import { cast } from "../engine/ops/cast.ts";
import { matmul } from "../engine/ops/matmul.ts";
import { sum } from "../engine/ops/reduce.ts";
import { randomWords } from "../engine/random.ts";
import { Scope } from "../engine/scope.ts";
import { fill } from "../engine/ops/copy.ts";
import { type Tensor, tensor } from "../engine/tensor.ts";
import { tune } from "../engine/tune.ts";
import { generate } from "../model/generate.ts";
import { Gpt } from "../model/gpt.ts";
import type { GptConfig } from "../model/gpt_config.ts";
import { AdamW, firstLossScale } from "../train/adamw.ts";
import { Trainer } from "../train/trainer.ts";
import type { Peaks } from "./peaks.ts";

/** Something to measure. */
export interface BenchCase {
  /** What the row is called. */
  readonly name: string;
  /** Operations of one run, where its speed is counted in them. */
  readonly flops?: number;
  /** Tokens of one run, likewise. */
  readonly tokens?: number;
  /** Seconds below which this adapter cannot do it: Σ max(operations / F, bytes / bandwidth) + dispatches · launch. */
  readonly bound: number;
  /** Seconds of one run, measured once. The first call has compiled kernels and settled buffers before it measures. */
  readonly seconds: () => Promise<number>;
  /** What a peer is asked for the same. */
  readonly request?: Readonly<Record<string, unknown>>;
  /** Gives memory back. */
  readonly close: () => void;
}

/** A training configuration to measure. */
export interface StepConfig {
  /** What the row is called. */
  readonly name: string;
  /** The model. */
  readonly model: GptConfig;
  /** Sequences of a step. */
  readonly batchSize: number;
}

/** nanoGPT's configurations for a CPU and for one GPU, and GPT-2 124M. */
export const stepConfigs: readonly StepConfig[] = [
  {
    name: "nanoGPT CPU",
    model: { n_layer: 4, n_head: 4, n_embd: 128, block_size: 64, vocab_size: 65, bias: false, activation: "gelu_erf" },
    batchSize: 12,
  },
  {
    name: "nanoGPT GPU",
    model: { n_layer: 6, n_head: 6, n_embd: 384, block_size: 256, vocab_size: 65, bias: false, activation: "gelu_erf" },
    batchSize: 64,
  },
  {
    name: "GPT-2 124M",
    model: { n_layer: 12, n_head: 12, n_embd: 768, block_size: 1024, vocab_size: 50257, bias: true },
    batchSize: 4,
  },
];

/** Σ max(operations / F, bytes / bandwidth) + dispatches · launch: no order of these dispatches can be faster. */
export function boundOf(dispatches: readonly Dispatch[], { flops, bandwidth, launch }: Peaks): number {
  return dispatches.reduce(
    (sum, each) => sum + Math.max(each.flops / flops, each.bytes / bandwidth) + launch,
    0,
  );
}

/** Shapes of products: those of the steps' layers, and squares. */
export function matmulShapes(): [number, number, number][] {
  const shapes: [number, number, number][] = [[512, 512, 512], [1024, 1024, 1024], [2048, 2048, 2048], [
    4096,
    4096,
    4096,
  ]];
  for (const { model: { n_embd: C, block_size, vocab_size: V }, batchSize } of stepConfigs) {
    const rows = batchSize * block_size;
    shapes.push([rows, 3 * C, C], [rows, 4 * C, C], [rows, C, 4 * C], [rows, V, C]);
  }
  return shapes;
}

/** A product in one layout: NN, NT (B is stored transposed) or TN (A is). */
export function matmulCase(
  gpu: Gpu,
  peaks: Peaks,
  shape: readonly number[],
  { layout, dtype }: { readonly layout: "NN" | "NT" | "TN"; readonly dtype: "f32" | "f16" },
): BenchCase {
  const [M, N, K] = shape, scope = new Scope(gpu);
  const transposeA = layout === "TN", transposeB = layout === "NT";
  const a = fill(gpu, transposeA ? [K, M] : [M, K], 0.5, { dtype });
  const b = fill(gpu, transposeB ? [N, K] : [K, N], 0.25, { dtype });
  const once = () => {
    using _ = new Scope(gpu);
    matmul(a, b, { transposeA, transposeB });
  };
  return {
    name: `${layout} ${M}×${N}×${K}`,
    flops: 2 * M * N * K,
    bound: boundOf(gpu.rehearse(once).slice(-1), peaks), // the product itself: copies of operands are not due
    seconds: tuned(gpu, once, () => kernelSeconds(gpu, once)),
    request: { op: "matmul", m: M, n: N, k: K, transpose_a: transposeA, transpose_b: transposeB },
    close: () => scope[Symbol.dispose](),
  };
}

/** Causal attention of a sequence to itself, forward and backward. */
export function attentionCase(
  gpu: Gpu,
  peaks: Peaks,
  { B, T, H, D }: { readonly B: number; readonly T: number; readonly H: number; readonly D: number },
  dtype: "f32" | "f16",
): BenchCase {
  const scope = new Scope(gpu), C = H * D;
  const qkv = fill(gpu, [B, T, 3 * C], 0.01, { dtype });
  qkv.requiresGrad = true;
  const once = () => {
    using _ = new Scope(gpu, { grad: true });
    backward(sum(cast(selfAttention(qkv, H), "f32")));
    qkv.zeroGrad();
  };
  const rest = /^(reduce|cast|copy)\.wgsl/; // of the sum; attention by products is all else, their copies as well
  const dispatches = gpu.rehearse(once).filter(({ kernel }) => !rest.test(kernel));
  return {
    name: `B ${B} T ${T} H ${H} D ${D}`,
    // Without what a pass computes a second time: two products forward, five backward, half of each masked.
    flops: 7 * B * H * T * T * D,
    bound: boundOf(dispatches, peaks),
    seconds: tuned(gpu, once, () => kernelSeconds(gpu, once, rest)),
    close: () => scope[Symbol.dispose](),
  };
}

/** A whole training step, as the trainer takes it: several in a row, and one wait. */
export function stepCase(
  gpu: Gpu,
  peaks: Peaks,
  { name, model: config, batchSize }: StepConfig,
  dtype: "f32" | "f16" = "f32",
): BenchCase & { readonly trainer: Trainer } {
  const scope = new Scope(gpu), { n_layer, n_embd, block_size, vocab_size } = config;
  const model = new Gpt(gpu, config), tokens = batchSize * block_size;
  model.dtype = dtype;
  const optimizer = new AdamW(model.parameters(), {
    beta2: 0.99,
    ...dtype === "f16" ? { lossScale: firstLossScale } : {},
  });
  const ids = Int32Array.from({ length: tokens + 1 }, (_, i) => randomWords(1, 2, i)[0] % vocab_size);
  const batches = { batchSize, blockSize: block_size, at: () => ({ x: ids.slice(0, tokens), y: ids.slice(1) }) };
  const trainer = new Trainer({
    model,
    optimizer,
    batches,
    evaluation: { train: batches, validation: batches },
    learningRate: () => 1e-3,
    maxIters: Infinity,
    gradClip: 1,
  });
  const dispatches = gpu.rehearse(() => trainer.steps(1)), bound = boundOf(dispatches, peaks);
  let parameters = 0;
  for (const { size } of model.parameters().values()) parameters += size;
  const count = Math.max(1, Math.min(10, Math.round(1 / bound)));
  let warm = false;
  return {
    name: `${name}, batch ${batchSize}`,
    // 6 N + 6 L C T a token: attention is causal.
    flops: tokens * (6 * (parameters - block_size * n_embd) + 6 * n_layer * n_embd * block_size),
    tokens,
    bound,
    seconds: async () => {
      if (!warm) {
        await trainer.tune();
        trainer.steps(2);
        await gpu.finish();
        warm = true;
      }
      return await wallSeconds(gpu, () => trainer.steps(count)) / count;
    },
    request: { op: "step", n_layer, n_head: config.n_head, n_embd, block_size, batch_size: batchSize, vocab_size },
    close: () => scope[Symbol.dispose](),
    trainer,
  };
}

/** Text written token by token from a prompt of a quarter of the block; every token runs the whole sequence anew. */
export function generateCase(
  gpu: Gpu,
  peaks: Peaks,
  { name, model: config }: StepConfig,
  dtype: "f32" | "f16",
): BenchCase {
  const scope = new Scope(gpu), model = new Gpt(gpu, config), length = config.block_size / 4;
  model.dtype = dtype;
  const prompt = Array.from({ length }, (_, i) => i % config.vocab_size);
  let bound = 0;
  for (let i = 0; i < length; i++) {
    const ids: Tensor = tensor(gpu, new Int32Array(length + i), [1, length + i]);
    bound += boundOf(
      gpu.rehearse(() => {
        using _ = new Scope(gpu);
        model.forward(ids, { lastOnly: true });
      }),
      peaks,
    );
  }
  return {
    name: `${name}, ${length} tokens after ${length}, no cache`,
    tokens: length,
    bound,
    seconds: async () => {
      const began = performance.now();
      for await (const _ of generate(model, prompt, { maxNewTokens: length, cache: false })); // each token is awaited
      return (performance.now() - began) / 1000;
    },
    close: () => scope[Symbol.dispose](),
  };
}

/** The same with a cache, from the first token on: each reads the weights once. */
export function decodeCase(
  gpu: Gpu,
  peaks: Peaks,
  { name, model: config }: StepConfig,
  dtype: "f32" | "f16",
): BenchCase {
  const scope = new Scope(gpu), model = new Gpt(gpu, config), length = config.block_size / 4, tokens = length - 1;
  model.dtype = dtype;
  const prompt = Array.from({ length }, (_, i) => i % config.vocab_size);
  return {
    name: `${name}, ${tokens} tokens after ${length + 1}, cache`,
    tokens,
    bound: tokens * weightBytes(config, dtype) / peaks.bandwidth,
    seconds: async () => {
      let began = 0;
      for await (const _ of generate(model, prompt, { maxNewTokens: length })) began ||= performance.now();
      return (performance.now() - began) / 1000;
    },
    close: () => scope[Symbol.dispose](),
  };
}

/** Bytes of the weights that a token reads: all but those of positions, of which it reads one row. */
export function weightBytes({ n_layer, n_embd, vocab_size }: GptConfig, dtype: "f32" | "f16"): number {
  return (dtype === "f16" ? 2 : 4) * (12 * n_layer * n_embd ** 2 + vocab_size * n_embd);
}

/** A prompt of a whole block into a cache, or beside it the forward pass of training on as many tokens. */
export function promptCase(
  gpu: Gpu,
  peaks: Peaks,
  { name, model: config }: StepConfig,
  { dtype, cache: cached }: { readonly dtype: "f32" | "f16"; readonly cache: boolean },
): BenchCase {
  const scope = new Scope(gpu), model = new Gpt(gpu, config), T = config.block_size;
  model.dtype = dtype;
  const ids = tensor(gpu, Int32Array.from({ length: T }, (_, i) => i % config.vocab_size), [1, T]);
  const rows = tensor(gpu, new Uint32Array([0])), cache = cached ? model.newCache(1) : undefined;
  const once = () => {
    using _ = new Scope(gpu);
    if (cache) model.forward(ids, { cache, rows, lastOnly: true });
    else model.loss(ids, ids);
  };
  return {
    name: `${name}, ${cached ? "prompt" : "forward pass of training"} of ${T} tokens`,
    tokens: T,
    bound: boundOf(gpu.rehearse(once), peaks),
    seconds: tuned(gpu, once, () => wallSeconds(gpu, once)),
    close: () => {
      cache?.free();
      scope[Symbol.dispose]();
    },
  };
}

/** Measures after kernels were chosen and compiled. */
function tuned(gpu: Gpu, once: () => void, measure: () => Promise<number>): () => Promise<number> {
  let ready = false;
  return async () => {
    if (!ready) {
      await tune(gpu, once);
      once();
      await gpu.finish();
      ready = true;
    }
    return await measure();
  };
}

/** GPU time of all kernels but `rest`, by timestamps; wall time where the adapter has none. */
async function kernelSeconds(gpu: Gpu, once: () => void, rest?: RegExp): Promise<number> {
  if (!gpu.device.features.has("timestamp-query")) return await wallSeconds(gpu, once);
  const time = async (count: number): Promise<number> => {
    const times = await gpu.profile(() => {
      for (let i = 0; i < count; i++) once();
    });
    const own = times.filter(({ kernel }) => !rest?.test(kernel));
    return own.reduce((sum, each) => sum + each.milliseconds, 0) / 1000 / count;
  };
  const first = await time(1); // a single short dispatch after a pause may find the other cores asleep
  return first > 0.05 ? first : await time(Math.min(50, Math.ceil(0.05 / Math.max(first, 1e-6))));
}

/** Wall time until the GPU is idle, less what an idle wait takes: about 11 ms in Deno. */
async function wallSeconds(gpu: Gpu, work: () => void): Promise<number> {
  const measure = async (run: () => void) => {
    const began = performance.now();
    run();
    await gpu.finish();
    return performance.now() - began;
  };
  const idle = await measure(() => {});
  return Math.max(1e-6, await measure(work) - idle) / 1000;
}
