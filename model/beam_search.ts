import { Scope } from "../engine/scope.ts";
import { tensor } from "../engine/tensor.ts";
import { logSoftmax } from "../engine/ops/softmax.ts";
import { WeftError } from "../engine/weft_error.ts";
import { type KvCache, rowNumbers } from "./kv_cache.ts";
import { checkFits, type LanguageModel, withoutDropout } from "./language_model.ts";

/** How a beam search goes. */
export interface BeamSearchOptions {
  /** How many tokens to add at most. */
  readonly maxNewTokens: number;
  /** How many sequences are followed at a time. Default: 4. */
  readonly numBeams?: number;
  /** A sequence's score is its log-probability over its length to this power: above 0 favours long ones. Default: 1. */
  readonly lengthPenalty?: number;
  /** Tokens that end a sequence; they are its last. Default: none. */
  readonly stopTokens?: readonly number[];
}

/** A sequence that a search found. */
export interface BeamHypothesis {
  /** The tokens that were added. */
  readonly ids: readonly number[];
  /** The log-probability of all of them together, in nats. */
  readonly logProb: number;
  /** `logProb / ids.length ** lengthPenalty`. */
  readonly score: number;
}

/**
 * The likeliest continuations that are found by following the `numBeams` best beginnings at each step: at most that many, the
 * best score first. Scores and their penalty are Hugging Face's; the search ends when nothing that is still followed can become
 * better than the worst of the hypotheses (`early_stopping="never"` there), so that none is missed for want of time.
 *
 * @throws {WeftError} when the prompt and what is added do not fit the block, or an option is out of its range.
 *
 * @example
 * ```ts
 * import { Gpu } from "../engine/gpu.ts";
 * import { beamSearch } from "./beam_search.ts";
 * import { Gpt } from "./gpt.ts";
 *
 * using gpu = await Gpu.open();
 * const model = new Gpt(gpu, { n_layer: 1, n_head: 1, n_embd: 8, block_size: 16, vocab_size: 11 });
 * const [best] = await beamSearch(model, [1, 2], { maxNewTokens: 4, numBeams: 3 });
 * console.log(best.ids, best.score);
 * ```
 */
export async function beamSearch(
  model: LanguageModel,
  prompt: ArrayLike<number>,
  options: BeamSearchOptions,
): Promise<BeamHypothesis[]> {
  const { maxNewTokens, numBeams = 4, lengthPenalty = 1, stopTokens = [] } = options;
  if (!(Number.isSafeInteger(numBeams) && numBeams >= 1)) {
    throw new WeftError(`num_beams is ${numBeams}: it must be a whole number of at least 1`);
  }
  if (!Number.isFinite(lengthPenalty)) throw new WeftError(`length_penalty is ${lengthPenalty}: it must be a number`);
  const text = checkFits(model, prompt, maxNewTokens), ends = new Set(stopTokens);
  const finished: BeamHypothesis[] = [], cache = model.newCache?.(numBeams);
  const score = (logProb: number, length: number): number => logProb / length ** lengthPenalty;
  const add = (ids: readonly number[], logProb: number): void => {
    finished.push({ ids, logProb, score: score(logProb, ids.length) });
    finished.sort((a, b) => b.score - a.score).splice(numBeams);
  };
  let beams = [{ ids: [] as number[], logProb: 0, parent: 0 }];
  try {
    for (let length = 1; length <= maxNewTokens && beams.length > 0; length++) {
      const after = await logProbsAfter(model, cache, text, beams, numBeams);
      const candidates = beams.flatMap(({ logProb }, beam) =>
        best(after[beam], 2 * numBeams).map((id) => ({ beam, id, logProb: logProb + after[beam][id] }))
      ).sort((a, b) => b.logProb - a.logProb || a.beam - b.beam || a.id - b.id).slice(0, (1 + ends.size) * numBeams);
      const next: typeof beams = [];
      for (const [rank, { beam, id, logProb }] of candidates.entries()) {
        if (next.length === numBeams) break;
        const ids = [...beams[beam].ids, id];
        if (!ends.has(id)) next.push({ ids, logProb, parent: beam });
        else if (rank < numBeams) add(ids, logProb);
      }
      if (length === maxNewTokens) { for (const { ids, logProb } of next) add(ids, logProb); }
      // What a log-probability can come to: it only falls, and its length grows to one end or the other.
      const bound = ({ logProb }: { logProb: number }) =>
        Math.max(score(logProb, length), score(logProb, maxNewTokens));
      const worst = finished.length === numBeams ? finished[numBeams - 1].score : -Infinity;
      beams = next.filter((beam) => bound(beam) > worst);
    }
  } finally {
    cache?.free();
  }
  return finished;
}

/** Log-probabilities of the next token of each beam; the cache goes from the beams before to these. */
async function logProbsAfter(
  model: LanguageModel,
  cache: KvCache | undefined,
  text: readonly number[],
  beams: readonly { readonly ids: readonly number[]; readonly parent: number }[],
  rows: number,
): Promise<Float32Array[]> {
  const { gpu, vocabSize: V } = model, length = beams[0].ids.length;
  // Rows without a beam repeat the first.
  const filled = Array.from({ length: rows }, (_, row) => beams[row] ?? beams[0]), begins = !cache || length === 0;
  if (!begins) cache.reorder(filled.map(({ parent }) => parent));
  const ids = filled.map(({ ids }) => begins ? [...text, ...ids] : [ids[length - 1]]), T = ids[0].length;
  const read = withoutDropout(model, () => {
    using _ = new Scope(gpu);
    const all = cache && begins ? { rows: rowNumbers(gpu, ids.map((_, row) => row)) } : {};
    const logits = model.forward(tensor(gpu, new Int32Array(ids.flat()), [rows, T]), { lastOnly: true, cache, ...all });
    if (cache && begins) cache.setLengths(ids.map(() => T));
    return logSoftmax(logits).read();
  });
  const logProbs = await read;
  return beams.map((_, beam) => logProbs.subarray(beam * V, (beam + 1) * V));
}

/** The indices of the largest numbers, the largest first. */
function best(values: Float32Array, count: number): number[] {
  const chosen: number[] = [];
  for (let i = 0; i < values.length; i++) {
    if (chosen.length === count && !(values[i] > values[chosen[count - 1]])) continue;
    let at = chosen.length;
    while (at > 0 && values[i] > values[chosen[at - 1]]) at--;
    chosen.splice(at, 0, i);
    if (chosen.length > count) chosen.pop();
  }
  return chosen;
}
