import type { Gpu } from "../engine/gpu.ts";
import { formatBytes } from "../engine/buffer_pool.ts";
import { formatShape, sizeOf } from "../engine/shape.ts";
import { WeftError } from "../engine/weft_error.ts";
import { type GptConfig, gptParameterShapes } from "../model/gpt_config.ts";

/** What a training step holds in memory, in bytes, estimated from the shapes. */
export interface MemoryEstimate {
  /** Parameters, their gradients and both moments. */
  readonly state: number;
  /** Activations that the backward pass reads, and the logits with their gradient. */
  readonly activations: number;
  /** The sum. */
  readonly total: number;
}

/** Estimates what training a GPT holds in memory at its peak. */
export function estimateMemory(config: GptConfig, batchSize: number): MemoryEstimate {
  const { n_layer, n_embd: C, block_size: T, vocab_size: V } = config;
  let parameters = 0;
  for (const shape of gptParameterShapes(config).values()) parameters += sizeOf(shape);
  // Per token and layer: two norms (C each), qkv (3C), attention, its projection, the sum, the two inner layers of the
  // perceptron (4C each), its projection, the sum; with dropout two more. Around them embedding and head.
  const perToken = n_layer * ((config.dropout ?? 0) > 0 ? 18 : 16) * C + 4 * C + 2 * V + 12 * C;
  const state = 16 * parameters, activations = 4 * batchSize * T * perToken;
  return { state, activations, total: state + activations };
}

/**
 * Checks before anything is allocated that every tensor of a training run fits one binding of the adapter, and that
 * all together fit `memory` bytes, where that is known.
 *
 * @throws {WeftError} naming the tensor, its size, and what would fit.
 */
export function checkFit(gpu: Gpu, config: GptConfig, options: { batchSize: number; memory?: number }): void {
  const { batchSize, memory } = options;
  const limit = Math.min(gpu.device.limits.maxStorageBufferBindingSize, gpu.device.limits.maxBufferSize);
  const { n_embd: C, block_size: T, vocab_size: V } = config;
  for (const [name, shape] of gptParameterShapes(config)) {
    const bytes = 4 * sizeOf(shape);
    if (bytes > limit) {
      throw new WeftError(
        `${name} ${formatShape(shape)} needs ${formatBytes(bytes)} in one buffer and this adapter allows ` +
          `${formatBytes(limit)}: the largest ${name.startsWith("wpe") ? "block_size" : "n_embd"} that fits is ` +
          `${largestThatFits(name, shape, config, limit)}`,
      );
    }
  }
  const widest: [string, number][] = [["logits", V], ["mlp.c_fc output", 4 * C]];
  for (const [name, width] of widest) {
    const bytes = 4 * batchSize * T * width, fits = Math.floor(limit / (4 * T * width));
    if (bytes > limit) {
      throw new WeftError(
        `${name} ${formatShape([batchSize, T, width])} need ${
          formatBytes(bytes)
        } in one buffer and this adapter allows ` +
          `${formatBytes(limit)}: ` +
          (fits >= 1
            ? `the largest batch_size that fits is ${fits}; use gradient_accumulation_steps for the rest`
            : `the largest block_size that fits is ${Math.floor(limit / (4 * width))}`),
      );
    }
  }
  const { state, activations, total } = estimateMemory(config, batchSize);
  if (memory !== undefined && total > memory) {
    const fits = Math.floor((memory - state) / (activations / batchSize));
    throw new WeftError(
      `The run needs about ${formatBytes(total)} (parameters, gradients and moments ${
        formatBytes(state)
      }, activations ` +
        `${formatBytes(activations)}) and ${formatBytes(memory)} are free: ` +
        (fits >= 1 ? `the largest batch_size that fits is ${fits}` : "take a smaller n_embd or n_layer"),
    );
  }
}

function largestThatFits(name: string, shape: readonly number[], config: GptConfig, limit: number): number {
  const elements = limit / 4;
  if (name.startsWith("wpe")) return Math.floor(elements / config.n_embd);
  const { n_embd: C, n_head } = config;
  // Embeddings grow with C, matrices inside a block with C².
  const exact = name.startsWith("wte") ? elements / shape[0] : Math.sqrt(elements / (sizeOf(shape) / (C * C)));
  return Math.floor(exact / n_head) * n_head;
}
