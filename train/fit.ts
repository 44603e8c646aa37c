import type { Gpu } from "../engine/gpu.ts";
import { formatBytes } from "../engine/buffer_pool.ts";
import { bytesPerElement } from "../engine/host_tensor.ts";
import { formatShape, sizeOf } from "../engine/shape.ts";
import { WeftError } from "../engine/weft_error.ts";
import { type GptConfig, gptParameterShapes } from "../model/gpt_config.ts";
import { planStep } from "./plan.ts";

/** How a run is meant to go. */
export interface FitOptions {
  /** Sequences of a micro-batch. */
  readonly batchSize: number;
  /** Bytes that are free, where that is known. */
  readonly memory?: number;
  /** Whether blocks are computed a second time for their gradients. */
  readonly activationCheckpointing?: boolean;
  /** How activations are stored. Default: f32. */
  readonly dtype?: "f32" | "f16";
}

/**
 * Checks before anything is allocated that every tensor of a training run fits one binding of the adapter, and that
 * all together fit `memory` bytes, where that is known, as planStep counts them.
 *
 * @throws {WeftError} naming the tensor, its size, and what would fit.
 */
export function checkFit(gpu: Gpu, config: GptConfig, options: FitOptions): void {
  const { batchSize, memory } = options;
  // The token embedding alone is gone over in parts.
  const limit = gpu.bindingLimit, largest = gpu.device.limits.maxBufferSize;
  const { n_embd: C, block_size: T } = config;
  for (const [name, shape] of gptParameterShapes(config)) {
    const bytes = 4 * sizeOf(shape), limit = name === "wte.weight" ? largest : gpu.bindingLimit;
    if (bytes > limit) {
      throw new WeftError(
        `${name} ${formatShape(shape)} needs ${formatBytes(bytes)} in one buffer and this adapter allows ` +
          `${formatBytes(limit)}: the largest ${name.startsWith("wpe") ? "block_size" : "n_embd"} that fits is ` +
          `${largestThatFits(name, shape, config, limit)}`,
      );
    }
  }
  const width = 4 * C, row = bytesPerElement(options.dtype ?? "f32") * width;
  const bytes = batchSize * T * row, fits = Math.floor(limit / (T * row));
  if (bytes > limit) {
    throw new WeftError(
      `mlp.c_fc output ${formatShape([batchSize, T, width])} needs ${
        formatBytes(bytes)
      } in one buffer and this adapter ` +
        `allows ${formatBytes(limit)}: ` +
        (fits >= 1
          ? `the largest batch_size that fits is ${fits}; use gradient_accumulation_steps for the rest`
          : `the largest block_size that fits is ${Math.floor(limit / row)}`),
    );
  }
  if (memory === undefined) return;
  const { state, total } = plannedMemory(gpu, config, options), activations = total - state;
  if (total > memory) {
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

/** Bytes of parameters, gradients and moments, and of everything. Each layer takes as much as the others. */
function plannedMemory(gpu: Gpu, config: GptConfig, options: FitOptions): { state: number; total: number } {
  const planned = (n_layer: number) => {
    const { weights, gradients, optimizer, reserved } = planStep(gpu, { ...config, n_layer }, options).memory;
    return { state: weights + gradients + optimizer, total: reserved };
  };
  if (config.n_layer <= 8) return planned(config.n_layer);
  const [few, more] = [planned(6), planned(8)], layers = (config.n_layer - 8) / 2;
  return {
    state: more.state + layers * (more.state - few.state),
    total: more.total + layers * (more.total - few.total),
  };
}

function largestThatFits(name: string, shape: readonly number[], config: GptConfig, limit: number): number {
  const elements = limit / 4;
  if (name.startsWith("wpe")) return Math.floor(elements / config.n_embd);
  const { n_embd: C, n_head } = config;
  // Embeddings grow with C, matrices inside a block with C².
  const exact = name.startsWith("wte") ? elements / shape[0] : Math.sqrt(elements / (sizeOf(shape) / (C * C)));
  return Math.floor(exact / n_head) * n_head;
}
