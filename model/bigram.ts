import type { Gpu } from "../engine/gpu.ts";
import { crossEntropy } from "../engine/ops/cross_entropy.ts";
import { embedding } from "../engine/ops/embedding.ts";
import { slice } from "../engine/ops/layout.ts";
import { randomNormals } from "../engine/random.ts";
import { type Tensor, tensor } from "../engine/tensor.ts";
import type { ForwardOptions, LanguageModel } from "./language_model.ts";

/** Size of a bigram model. */
export interface BigramConfig {
  /** Number of kinds of tokens. */
  readonly vocab_size: number;
  /** Length of the sequences that it is trained on; it makes no difference to the model. */
  readonly block_size: number;
}

/**
 * The simplest language model: a table of logits of the next token for each token. It cannot become better than
 * counting pairs, so it is the floor that every other model must beat.
 */
export class Bigram implements LanguageModel {
  /** Where it lives. */
  readonly gpu: Gpu;
  /** Number of kinds of tokens. */
  readonly vocabSize: number;
  /** Length of the sequences that it is trained on. */
  readonly blockSize: number;
  /** Has no effect: there is no dropout. */
  training = true;
  #table: Tensor;

  /** A table (V, V) of N(0, 0.02). */
  constructor(gpu: Gpu, config: BigramConfig, options: { readonly seed?: number } = {}) {
    this.gpu = gpu;
    this.vocabSize = config.vocab_size;
    this.blockSize = config.block_size;
    const V = this.vocabSize;
    const values = randomNormals(V * V, { seed: options.seed ?? 1337, stream: 0, std: 0.02 });
    this.#table = tensor(gpu, values, [V, V], { requiresGrad: true, label: "wte.weight" });
  }

  /** The table, as `wte.weight`. */
  parameters(): ReadonlyMap<string, Tensor> {
    return new Map([["wte.weight", this.#table]]);
  }

  /** Logits of the next token: ids (B, T) → (B, T, V). */
  forward(ids: Tensor, options: ForwardOptions = {}): Tensor {
    const logits = embedding(this.#table, ids);
    options.probe?.("logits", logits);
    return options.lastOnly ? slice(logits, { axis: 1, start: -1 }) : logits;
  }

  /** Mean cross-entropy of the next tokens: ids and targets (B, T) → a scalar. */
  loss(ids: Tensor, targets: Tensor): Tensor {
    return crossEntropy(this.forward(ids), targets);
  }
}
