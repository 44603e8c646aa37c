import type { SampleRequest } from "../engine/ops/sample.ts";
import { WeftError } from "../engine/weft_error.ts";

/**
 * How the next token is chosen. What is given is applied in this order, which is Hugging Face's: logit bias, repetition
 * penalty, frequency and presence penalties, temperature, top-k, top-p, min-p, and the draw. Among equals the token of smaller
 * id counts as the likelier.
 */
export interface SamplingOptions {
  /** Added to logits, by token; −Infinity forbids one. Default: none. */
  readonly logitBias?: Readonly<Record<number, number>>;
  /**
   * Logits of tokens that are in the prompt or the output are divided by it if they are above 0, else multiplied (Keskar et
   * al. 2019): above 1 repeats less. Default: 1.
   */
  readonly repetitionPenalty?: number;
  /** Taken off a token's logit for each time that it is in the output. Default: 0. */
  readonly frequencyPenalty?: number;
  /** Taken off a token's logit if it is in the output at all. Default: 0. */
  readonly presencePenalty?: number;
  /** Logits are divided by it: below 1 the likely becomes likelier; 0 takes the likeliest always. Default: 1. */
  readonly temperature?: number;
  /** Only the k likeliest tokens can be drawn. Default: all. */
  readonly topK?: number;
  /** Only the likeliest that together have this probability (Holtzman et al. 2020). Default: 1, which is all. */
  readonly topP?: number;
  /** Only those that have at least this share of the probability of the likeliest. Default: 0. */
  readonly minP?: number;
  /** Seed of the draws. Default: 1337. */
  readonly seed?: number;
}

/** Tells the draws of tokens from other random numbers. */
export const samplingStream = 0x5a4d;

/**
 * Options with all defaults, for a vocabulary of V tokens. Temperature 0 is top-k 1.
 *
 * @throws {WeftError} naming the first value that is not allowed.
 */
export function resolveSampling(options: SamplingOptions, V: number): SampleRequest {
  const { temperature = 1, topK = V, topP = 1, minP = 0, seed = 1337 } = options;
  const { repetitionPenalty = 1, frequencyPenalty = 0, presencePenalty = 0, logitBias = {} } = options;
  const check = (name: string, value: number, fine: boolean, allowed: string): void => {
    if (!fine) throw new WeftError(`${name} is ${value}: it must be ${allowed}`);
  };
  check("temperature", temperature, temperature >= 0 && temperature < Infinity, "at least 0");
  check("top_k", topK, Number.isInteger(topK) && topK >= 1, "a whole number of at least 1");
  check("top_p", topP, topP > 0 && topP <= 1, "above 0 and at most 1");
  check("min_p", minP, minP >= 0 && minP <= 1, "from 0 to 1");
  check("repetition_penalty", repetitionPenalty, repetitionPenalty > 0 && repetitionPenalty < Infinity, "above 0");
  check("frequency_penalty", frequencyPenalty, Number.isFinite(frequencyPenalty), "a number");
  check("presence_penalty", presencePenalty, Number.isFinite(presencePenalty), "a number");
  check("seed", seed, Number.isSafeInteger(seed) && seed >= 0, "a whole number of at least 0");
  for (const [id, bias] of Object.entries(logitBias)) {
    check("logit_bias of a token", Number(id), Number(id) >= 0 && Number(id) < V, `below the vocabulary's ${V}`);
    check(`logit_bias of token ${id}`, bias, bias < Infinity, "a number or −Infinity");
  }
  const greedy = temperature === 0;
  return {
    ...{ repetitionPenalty, frequencyPenalty, presencePenalty, topP: greedy ? 1 : topP, minP, seed },
    temperature: greedy ? 1 : temperature,
    topK: greedy ? 1 : Math.min(topK, V),
  };
}

/** Whether options look at which tokens there were. */
export function hasPenalties(options: SamplingOptions): boolean {
  const { repetitionPenalty = 1, frequencyPenalty = 0, presencePenalty = 0 } = options;
  return repetitionPenalty !== 1 || frequencyPenalty !== 0 || presencePenalty !== 0;
}

/** Tokens that penalties look at. */
export interface TokensSoFar {
  /** The prompt. */
  readonly prompt?: ArrayLike<number>;
  /** What was drawn after it. */
  readonly output?: ArrayLike<number>;
}

/**
 * The probability of each token under the options, in float64: what the GPU draws from, and what speculative decoding
 * compares.
 *
 * @throws {WeftError} when a logit is NaN, or an option is out of its range.
 *
 * @example
 * ```ts
 * import { probabilities } from "./sampling.ts";
 * console.log(probabilities([Math.log(6), Math.log(3), 0], { topK: 2 })); // about [0.667, 0.333, 0]
 * ```
 */
export function probabilities(
  logits: ArrayLike<number>,
  options: SamplingOptions,
  { prompt = [], output = [] }: TokensSoFar = {},
): Float64Array<ArrayBuffer> {
  const V = logits.length, x = Float64Array.from(logits), request = resolveSampling(options, V);
  if (x.some(Number.isNaN)) throw new WeftError(notNumbers);
  for (const [id, bias] of Object.entries(options.logitBias ?? {})) x[Number(id)] += bias;
  if (request.repetitionPenalty !== 1) {
    for (const id of new Set([...Array.from(prompt), ...Array.from(output)])) {
      x[id] = x[id] > 0 ? x[id] / request.repetitionPenalty : x[id] * request.repetitionPenalty;
    }
  }
  for (const id of Array.from(output)) x[id] -= request.frequencyPenalty;
  for (const id of new Set(Array.from(output))) x[id] -= request.presencePenalty;
  const { topK, topP, minP, temperature } = request, sorted = x.toSorted().reverse(), [largest] = sorted;
  const weight = (v: number): number => Math.exp((v - largest) / temperature);
  let kept = topK;
  if (topP < 1) {
    const wanted = topP * sorted.subarray(0, topK).reduce((sum, v) => sum + weight(v), 0);
    let sum = weight(largest);
    for (kept = 1; kept < topK && sum < wanted; kept++) sum += weight(sorted[kept]);
  }
  while (kept > 1 && weight(sorted[kept - 1]) < minP) kept--;
  const least = sorted[kept - 1];
  let ties = kept - sorted.indexOf(least); // how many of the least are kept: those of the smallest ids
  const result = x.map((v) => v > least || (v === least && ties-- > 0) ? weight(v) : 0);
  const total = result.reduce((sum, each) => sum + each, 0);
  return result.map((each) => each / total);
}

/** What is said when a model's logits are NaN. */
export const notNumbers = "Cannot sample: the model's logits are not numbers (NaN); its weights are damaged";

/** Draws an index by its probability: `draw`, from 0 to below 1, picks from the cumulated ones. */
export function pick(probabilities: Float64Array, draw: number): number {
  let rest = draw * probabilities.reduce((sum, each) => sum + each, 0), last = 0;
  for (let i = 0; i < probabilities.length; i++) {
    if (probabilities[i] === 0) continue;
    last = i;
    rest -= probabilities[i];
    if (rest < 0) break;
  }
  return last;
}

/** Draws an index by its logit, as the GPU does: `draw`, from 0 to below 1, picks from the cumulated probabilities. */
export function sample(
  logits: Float32Array,
  options: SamplingOptions & { readonly draw: number },
): number {
  return pick(probabilities(logits, options), options.draw);
}
