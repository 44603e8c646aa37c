import { Scope } from "../engine/scope.ts";
import { readTensors, type Tensor, tensor } from "../engine/tensor.ts";
import { WeftError } from "../engine/weft_error.ts";
import { rowNumbers } from "./kv_cache.ts";
import { checkFits, type LanguageModel, withoutDropout } from "./language_model.ts";
import { probabilities } from "./sampling.ts";

/** How a contrastive search goes. */
export interface ContrastiveOptions {
  /** How many tokens to add. */
  readonly maxNewTokens: number;
  /** How many of the likeliest tokens are weighed against each other. Default: 4. */
  readonly topK?: number;
  /** How much it counts that a token is like what was before: from 0, greedy, to 1. Default: 0.6. */
  readonly penaltyAlpha?: number;
}

/**
 * Continues a sequence by contrastive search (Su et al. 2022): of the k likeliest tokens the one with the largest
 * `(1 − α) p − α · max cos`, where cos compares the hidden state after that token with those of all tokens before it. It repeats
 * itself less than the likeliest tokens do, and nothing is left to chance.
 *
 * @throws {WeftError} when the model keeps no keys and values, or the prompt and what is added do not fit its block.
 *
 * @example
 * ```ts
 * import { Gpu } from "../engine/gpu.ts";
 * import { contrastiveSearch } from "./contrastive_search.ts";
 * import { Gpt } from "./gpt.ts";
 *
 * using gpu = await Gpu.open();
 * const model = new Gpt(gpu, { n_layer: 1, n_head: 1, n_embd: 8, block_size: 16, vocab_size: 11 });
 * for await (const id of contrastiveSearch(model, [1, 2], { maxNewTokens: 4, penaltyAlpha: 0.6 })) console.log(id);
 * ```
 */
export async function* contrastiveSearch(
  model: LanguageModel,
  prompt: ArrayLike<number>,
  options: ContrastiveOptions,
): AsyncGenerator<number, void, void> {
  const { maxNewTokens, topK: k = 4, penaltyAlpha: alpha = 0.6 } = options, { gpu, vocabSize: V } = model;
  if (!(Number.isSafeInteger(k) && k >= 1 && k <= V)) {
    throw new WeftError(`top_k is ${k}: it must be a whole number from 1 to the vocabulary's ${V}`);
  }
  if (!(alpha >= 0 && alpha <= 1)) throw new WeftError(`penalty_alpha is ${alpha}: it must be from 0 to 1`);
  if (!model.newCache) throw new WeftError("Contrastive search needs a model that keeps keys and values");
  const ids = checkFits(model, prompt, maxNewTokens), T = ids.length, rows = Array.from({ length: k }, (_, row) => row);
  const cache = model.newCache(k);
  /** Runs the model on (B, T) ids: its logits and hidden states. */
  const look = (tokens: number[], T: number, more: { rows?: Tensor }) =>
    withoutDropout(model, async () => {
      const pending = (() => {
        using _ = new Scope(gpu);
        let hidden: Tensor | undefined;
        const probe = (stage: string, value: Tensor) => {
          if (stage === "hidden") hidden = value;
        };
        const shape = [tokens.length / T, T], x = tensor(gpu, new Int32Array(tokens), shape);
        const logits = model.forward(x, { cache, probe, ...more });
        if (!hidden) throw new WeftError("Contrastive search needs a model whose forward pass shows its hidden states");
        return readTensors([logits, hidden]);
      })();
      const [logits, hidden] = (await pending).map(({ data }) => Float32Array.from(data as Float32Array));
      const C = hidden.length / tokens.length;
      return tokens.map((_, i) => ({
        logits: logits.subarray(i * V, (i + 1) * V),
        direction: normalized(hidden.subarray(i * C, (i + 1) * C)),
      }));
    });
  try {
    const states = await look(rows.flatMap(() => ids), T, { rows: rowNumbers(gpu, rows) });
    cache.setLengths(rows.map(() => T));
    const seen = states.slice(0, T).map(({ direction }) => direction);
    let { logits } = states[T - 1];
    for (let step = 0; step < maxNewTokens; step++) {
      const p = probabilities(logits, { topK: k }), all = probabilities(logits, {});
      const candidates: number[] = [];
      while (candidates.length < k) {
        const id = likeliest(p);
        if (id < 0) break;
        candidates.push(id);
        p[id] = 0;
      }
      while (candidates.length < k) candidates.push(candidates[0]); // tokens that are impossible are none
      const after = await look(candidates, 1, {});
      const scores = after.map(({ direction }, i) =>
        (1 - alpha) * all[candidates[i]] - alpha * Math.max(...seen.map((other) => dot(direction, other)))
      );
      const chosen = scores.indexOf(Math.max(...scores));
      cache.reorder(rows.map(() => chosen));
      seen.push(after[chosen].direction);
      logits = after[chosen].logits;
      yield candidates[chosen];
    }
  } finally {
    cache.free();
  }
}

/** The likeliest token, or −1 where all are impossible. */
function likeliest(p: Float64Array): number {
  let best = -1;
  p.forEach((each, id) => {
    if (each > (best < 0 ? 0 : p[best])) best = id;
  });
  return best;
}

function normalized(x: Float32Array): Float64Array {
  const values = Float64Array.from(x), norm = Math.sqrt(values.reduce((sum, v) => sum + v * v, 0));
  return values.map((v) => v / norm);
}

function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, v, i) => sum + v * b[i], 0);
}
