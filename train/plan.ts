import { backward } from "../engine/backward.ts";
import { Gpu } from "../engine/gpu.ts";
import type { Dispatch } from "../engine/recorder.ts";
import { Scope } from "../engine/scope.ts";
import { tensor } from "../engine/tensor.ts";
import { Gpt } from "../model/gpt.ts";
import type { GptConfig } from "../model/gpt_config.ts";
import { AdamW, firstLossScale } from "./adamw.ts";

/** What a training step would take. */
export interface StepPlan {
  /** Number of parameters. */
  readonly parameters: number;
  /** Operations of the model for a step: tokens × (6 N + 6 L C T), with attention causal and N without positions. */
  readonly flops: number;
  /** Bytes by kind. */
  readonly memory: MemoryPlan;
  /** The dispatches of one micro-batch, and those of the optimizer. */
  readonly dispatches: { readonly micro: readonly Dispatch[]; readonly optimizer: readonly Dispatch[] };
}

/** Bytes of GPU memory. */
export interface MemoryPlan {
  /** Parameters. */
  readonly weights: number;
  /** One gradient for each of them. */
  readonly gradients: number;
  /** Both moments. */
  readonly optimizer: number;
  /** What forward leaves for backward, with the batch. */
  readonly activations: number;
  /** What else is in use at the worst moment. */
  readonly workspace: number;
  /** The most that is in use at one moment: gradients come while activations go. */
  readonly peak: number;
  /** All buffers that the pool makes: what the adapter has to give. */
  readonly reserved: number;
}

/**
 * Plans a training step by rehearsing it, with the very code that trains, on a GPU like the given one that does nothing.
 * Nothing is allocated.
 *
 * @throws {WeftError} when a tensor does not fit one buffer of the adapter, naming it.
 *
 * @example
 * ```ts
 * import { Gpu } from "../engine/gpu.ts";
 * import { planStep } from "./plan.ts";
 *
 * using gpu = await Gpu.open();
 * const config = { n_layer: 4, n_head: 4, n_embd: 128, block_size: 64, vocab_size: 65, bias: false };
 * console.log(planStep(gpu, config, { batchSize: 12 }).memory.peak); // bytes
 * ```
 */
export function planStep(
  like: Gpu,
  config: GptConfig,
  options: {
    readonly batchSize: number;
    readonly gradAccumSteps?: number;
    readonly activationCheckpointing?: boolean;
    readonly dtype?: "f32" | "f16";
  },
): StepPlan {
  using gpu = Gpu.dry(like);
  const { batchSize, gradAccumSteps = 1 } = options, { n_layer, n_embd, block_size } = config;
  const inUse = () => gpu.memory.bytesInUse, tokens = batchSize * block_size;
  const dispatches: { micro: Dispatch[]; optimizer: Dispatch[] } = { micro: [], optimizer: [] };
  const model = new Gpt(gpu, config, { initialize: false }), parameters = [...model.parameters().values()];
  for (const { storage } of parameters) storage.use("buffer"); // as writing them would
  const weights = inUse();
  model.activationCheckpointing = options.activationCheckpointing ?? false;
  model.dtype = options.dtype ?? "f32";
  const optimizer = new AdamW(model.parameters(), model.dtype === "f16" ? { lossScale: firstLossScale } : {});
  const moments = inUse() - weights;
  let activations = 0, gradients = 0;
  for (let step = 0; step < 2; step++) { // the second finds copies that the first left
    for (let micro = 0; micro < Math.min(2, gradAccumSteps); micro++) { // further ones are as the second
      const before = inUse();
      dispatches.micro = gpu.rehearse(() => {
        using _ = new Scope(gpu, { grad: true });
        const ids = () => tensor(gpu, new Int32Array(tokens), [batchSize, block_size]);
        const loss = model.loss(ids(), ids());
        activations = inUse() - before;
        backward(loss, { scale: optimizer.gradientOfLoss() });
      });
    }
    gradients = parameters.reduce((sum, { grad }) => sum + grad!.storage.bytes, 0);
    dispatches.optimizer = gpu.rehearse(() => optimizer.step({ lr: 0, clip: 1 }));
  }
  const { peakBytes, bytesReserved } = gpu.memory;
  const count = parameters.reduce((sum, { size }) => sum + size, 0), N = count - block_size * n_embd;
  return {
    parameters: count,
    flops: gradAccumSteps * tokens * (6 * N + 6 * n_layer * n_embd * block_size),
    memory: {
      weights,
      gradients,
      optimizer: moments,
      activations,
      workspace: Math.max(0, peakBytes - weights - moments - activations),
      peak: peakBytes,
      reserved: bytesReserved,
    },
    dispatches,
  };
}
