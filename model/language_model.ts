import type { Gpu } from "../engine/gpu.ts";
import type { Tensor } from "../engine/tensor.ts";
import { WeftError } from "../engine/weft_error.ts";
import type { KvCache } from "./kv_cache.ts";

/** What a forward pass may be told. */
export interface ForwardOptions {
  /** Whether logits of the last position alone are wanted: (B, 1, V). */
  readonly lastOnly?: boolean;
  /** Positions whose logits alone are wanted, by their numbers in B · T: (n) u32 → (n, 1, V). */
  readonly places?: Tensor;
  /** Keys and values of tokens before `ids`, which `ids` continue: those of `ids` are added. */
  readonly cache?: KvCache;
  /** With a cache: `ids` begin sequences anew in these rows of it, (B) u32. `cache.setLengths` says how long they are. */
  readonly rows?: Tensor;
  /** Called with the name and value of each stage's output: to see where something goes wrong. */
  readonly probe?: (stage: string, value: Tensor) => void;
}

/** A model that predicts the next token: what training and generation work with. */
export interface LanguageModel {
  /** Where it lives. */
  readonly gpu: Gpu;
  /** Number of kinds of tokens. */
  readonly vocabSize: number;
  /** Longest sequence that `forward` takes. */
  readonly blockSize: number;
  /** Whether dropout is on. `new` models start with it on. */
  training: boolean;
  /** Its parameters by name, in a fixed order. */
  parameters(): ReadonlyMap<string, Tensor>;
  /** Logits of the next token at each position: ids (B, T) → (B, T, V). */
  forward(ids: Tensor, options?: ForwardOptions): Tensor;
  /** An empty cache for `rows` sequences, of a model that can use one. */
  newCache?(rows: number): KvCache;
  /** Mean cross-entropy of the next tokens, in nats: ids and targets (B, T) → a scalar. */
  loss(ids: Tensor, targets: Tensor): Tensor;
}

/** Runs `work` with dropout off. */
export function withoutDropout<T>(model: LanguageModel, work: () => T): T {
  const { training } = model;
  model.training = false;
  try {
    return work();
  } finally {
    model.training = training;
  }
}

/**
 * The ids of a prompt that a model has.
 *
 * @throws {WeftError} when there are none, or one that the model does not have.
 */
export function checkPrompt(prompt: ArrayLike<number>, V: number): number[] {
  const ids = Array.from(prompt);
  if (ids.length === 0) throw new WeftError("Cannot generate from an empty prompt: give at least one token");
  const strange = ids.find((id) => !(Number.isInteger(id) && id >= 0 && id < V));
  if (strange !== undefined) throw new WeftError(`The prompt holds the id ${strange}: the model has ids below ${V}`);
  return ids;
}

/**
 * The ids of a prompt that fits a model's block with what is added to it.
 *
 * @throws {WeftError} when it does not, or `checkPrompt` throws.
 */
export function checkFits(model: LanguageModel, prompt: ArrayLike<number>, maxNewTokens: number): number[] {
  const ids = checkPrompt(prompt, model.vocabSize);
  if (!(Number.isSafeInteger(maxNewTokens) && maxNewTokens >= 0)) {
    throw new WeftError(`max_new_tokens is ${maxNewTokens}: it must be a whole number of at least 0`);
  }
  if (ids.length + maxNewTokens > model.blockSize) {
    throw new WeftError(
      `A prompt of ${ids.length} tokens and ${maxNewTokens} new ones do not fit block_size, ${model.blockSize}, and searches ` +
        `and speculation do not crop: set max_new_tokens to at most ${Math.max(0, model.blockSize - ids.length)}`,
    );
  }
  return ids;
}
