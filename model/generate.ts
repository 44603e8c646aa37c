import { randomUniform } from "../engine/random.ts";
import { Scope } from "../engine/scope.ts";
import { tensor } from "../engine/tensor.ts";
import { WeftError } from "../engine/weft_error.ts";
import type { LanguageModel } from "./language_model.ts";

/** How text is continued. */
export interface GenerateOptions {
  /** How many tokens to add. */
  readonly maxNewTokens: number;
  /** Logits are divided by it: below 1 the likely becomes likelier; 0 takes the likeliest always. Default: 1. */
  readonly temperature?: number;
  /** Only the k likeliest tokens can be drawn. Default: all. */
  readonly topK?: number;
  /** Seed of the draws. Default: 1337. */
  readonly seed?: number;
}

/**
 * Continues a sequence of tokens, one token at a time, as they are drawn. The context is cropped to the model's last
 * `blockSize` tokens. Dropout is off. The same seed gives the same tokens.
 *
 * @throws {WeftError} when the prompt is empty or an option is out of its range.
 *
 * @example
 * ```ts
 * import { Gpu } from "../engine/gpu.ts";
 * import { Bigram } from "./bigram.ts";
 * import { generate } from "./generate.ts";
 *
 * using gpu = await Gpu.open();
 * const model = new Bigram(gpu, { vocab_size: 10, block_size: 8 });
 * for await (const id of generate(model, [3], { maxNewTokens: 5, seed: 1 })) console.log(id);
 * ```
 */
export async function* generate(
  model: LanguageModel,
  prompt: ArrayLike<number>,
  options: GenerateOptions,
): AsyncGenerator<number, void, void> {
  const { maxNewTokens, temperature = 1, topK, seed = 1337 } = options;
  if (prompt.length === 0) {
    throw new WeftError("Cannot generate from an empty prompt: give at least one token");
  }
  if (!(temperature >= 0)) throw new WeftError(`temperature is ${temperature}: it must be at least 0`);
  if (topK !== undefined && !(Number.isInteger(topK) && topK >= 1)) {
    throw new WeftError(`top_k is ${topK}: it must be a whole number of at least 1`);
  }
  const ids = Array.from(prompt);
  for (let i = 0; i < maxNewTokens; i++) {
    const logits = await nextLogits(model, ids.slice(-model.blockSize));
    const id = sample(logits, { temperature, topK, draw: randomUniform(seed, samplingStream, i) });
    ids.push(id);
    yield id;
  }
}

const samplingStream = 0x5a4d;

async function nextLogits(model: LanguageModel, context: readonly number[]): Promise<Float32Array> {
  const training = model.training;
  model.training = false;
  try {
    using _ = new Scope(model.gpu);
    const ids = tensor(model.gpu, new Int32Array(context), [1, context.length]);
    return await model.forward(ids, { lastOnly: true }).read();
  } finally {
    model.training = training;
  }
}

/** Draws an index by its logit: `draw`, from 0 to below 1, picks from the cumulated probabilities, likeliest first. */
export function sample(
  logits: Float32Array,
  options: { readonly temperature: number; readonly topK?: number; readonly draw: number },
): number {
  const { temperature, topK = logits.length, draw } = options;
  const order = Array.from(logits.keys()).sort((a, b) => logits[b] - logits[a] || a - b).slice(0, topK);
  if (Number.isNaN(logits[order[0]]) || logits.some(Number.isNaN)) {
    throw new WeftError("Cannot sample: the model's logits are not numbers (NaN); its weights are damaged");
  }
  if (temperature === 0) return order[0];
  const weights = order.map((id) => Math.exp((logits[id] - logits[order[0]]) / temperature));
  let rest = draw * weights.reduce((sum, weight) => sum + weight, 0);
  for (let i = 0; i < order.length; i++) {
    rest -= weights[i];
    if (rest < 0) return order[i];
  }
  return order[0];
}
