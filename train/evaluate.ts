import { Scope } from "../engine/scope.ts";
import { tensor } from "../engine/tensor.ts";
import type { LanguageModel } from "../model/language_model.ts";
import { LossLog } from "./loss_log.ts";

/** Chunks of tokens for `evaluate`: `Batches` is one. */
export interface BatchSource {
  /** Sequences of a batch. */
  readonly batchSize: number;
  /** Tokens of a sequence. */
  readonly blockSize: number;
  /** Inputs and targets of the batch of that number. */
  at(index: number): { x: Int32Array<ArrayBuffer>; y: Int32Array<ArrayBuffer> };
}

/** The mean loss over the batches `first` … `first + count − 1`, with dropout off. */
export async function evaluate(
  model: LanguageModel,
  batches: BatchSource,
  options: { readonly first?: number; readonly count: number },
): Promise<number> {
  const { first = 0, count } = options, { gpu } = model, { batchSize: B, blockSize: T } = batches;
  const training = model.training;
  model.training = false;
  try {
    using _log = new Scope(gpu);
    const log = new LossLog(gpu, count);
    for (let i = 0; i < count; i++) {
      using _ = new Scope(gpu);
      const { x, y } = batches.at(first + i);
      log.push(model.loss(tensor(gpu, x, [B, T]), tensor(gpu, y, [B, T])));
      gpu.submit();
    }
    const losses = await log.read();
    return losses.reduce((sum, loss) => sum + loss, 0) / count;
  } finally {
    model.training = training;
  }
}
