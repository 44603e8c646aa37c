import { packRequests, sampleTokens } from "../engine/ops/sample.ts";
import { reshape } from "../engine/ops/layout.ts";
import { randomUniform } from "../engine/random.ts";
import { Scope } from "../engine/scope.ts";
import { readTensors, type Tensor, tensor, zeros } from "../engine/tensor.ts";
import { WeftError } from "../engine/weft_error.ts";
import { type KvCache, rowNumbers } from "./kv_cache.ts";
import { checkFits, type LanguageModel, withoutDropout } from "./language_model.ts";
import { hasPenalties, pick, probabilities, resolveSampling, type SamplingOptions } from "./sampling.ts";

/** How a sequence is continued with the help of a draft model. */
export interface SpeculativeOptions extends SamplingOptions {
  /** How many tokens to add. */
  readonly maxNewTokens: number;
  /** How many tokens the draft model proposes at a time. Default: 4. */
  readonly proposals?: number;
}

const draftStream = 0x5a4e, judgeStream = 0x5a4f;

/**
 * Continues a sequence as `generate` does, in fewer passes of the model (Leviathan et al. 2023): a small draft model proposes some
 * tokens, the model looks at all of them in one pass, and as many are taken as keeps the distribution exactly that of the model
 * alone. Greedily, the tokens are the same. The prompt and what is added must fit the blocks of both models.
 *
 * @throws {WeftError} when the models have different vocabularies, or no cache, or the text does not fit.
 *
 * @example
 * ```ts
 * import { Gpu } from "../engine/gpu.ts";
 * import { Gpt } from "./gpt.ts";
 * import { generateSpeculatively } from "./speculative.ts";
 *
 * using gpu = await Gpu.open();
 * const size = { n_head: 2, n_embd: 16, block_size: 16, vocab_size: 11 };
 * const model = new Gpt(gpu, { ...size, n_layer: 3 }), draft = new Gpt(gpu, { ...size, n_layer: 1 });
 * for await (const id of generateSpeculatively(model, draft, [1, 2], { maxNewTokens: 8 })) console.log(id);
 * ```
 */
export async function* generateSpeculatively(
  model: LanguageModel,
  draft: LanguageModel,
  prompt: ArrayLike<number>,
  options: SpeculativeOptions,
): AsyncGenerator<number, void, void> {
  const { maxNewTokens, proposals = 4, seed = 1337 } = options, { gpu, vocabSize: V } = model;
  if (!(Number.isSafeInteger(proposals) && proposals >= 1)) {
    throw new WeftError(`proposals is ${proposals}: it must be a whole number of at least 1`);
  }
  if (draft.vocabSize !== V) {
    throw new WeftError(`The draft model has ${draft.vocabSize} tokens and the model ${V}: they must be the same`);
  }
  const ids = checkFits(model, prompt, maxNewTokens), length = ids.length;
  checkFits(draft, prompt, maxNewTokens);
  const large = cacheOf(model), small = cacheOf(draft);
  try {
    let draws = 0;
    for (let round = 0; ids.length - length < maxNewTokens; round++) {
      const left = maxNewTokens - (ids.length - length), count = Math.min(proposals, left - 1);
      const output = ids.slice(length), request = resolveSampling(options, V);
      const read = (() => {
        using _ = new Scope(gpu);
        const counts = new Uint32Array(V), bias = new Float32Array(V);
        for (const id of ids.slice(0, length)) counts[id] = 1;
        for (const id of output) counts[id] += 2;
        for (const [id, value] of Object.entries(options.logitBias ?? {})) bias[Number(id)] = value;
        // The newest token and the proposals behind it: what the model looks at.
        const history = tensor(gpu, new Uint32Array([ids.at(-1)!, ...new Array(count).fill(0)]), [1 + count, 1]);
        const state = {
          requests: tensor(
            gpu,
            packRequests([{ ...request, seed: (seed + round * 2 ** 32) % Number.MAX_SAFE_INTEGER }]),
            [
              1,
              12,
            ],
          ),
          ids: zeros(gpu, [1], { dtype: "u32" }),
          history,
          logProbs: zeros(gpu, [Math.max(1, count), 1]),
          counts: hasPenalties(options) ? tensor(gpu, counts, [1, V]) : undefined,
          bias: options.logitBias ? tensor(gpu, bias, [1, V]) : undefined,
        };
        const proposed: Tensor[] = [];
        for (let i = 0; i < count; i++) {
          const seen = small.lengths[0]; // the first time one or two tokens are new to the draft model, or the prompt
          const fresh = i > 0
            ? reshape(state.ids, [1, 1])
            : tensor(gpu, new Uint32Array(ids.slice(seen)), [1, ids.length - seen]);
          proposed.push(withoutDropout(draft, () => feed(draft, small, fresh, true)));
          sampleTokens(proposed[i], state, [request], draftStream);
        }
        const seen = large.lengths[0], isPrompt = seen === 0 && length > 1;
        if (isPrompt) {
          withoutDropout(
            model,
            () => feed(model, large, tensor(gpu, new Uint32Array(ids.slice(0, -1)), [1, length - 1]), true),
          );
        }
        const logits = withoutDropout(model, () => feed(model, large, reshape(history, [1, 1 + count]), false));
        return readTensors([history, logits, ...proposed]);
      })();
      const [history, logits, ...proposed] = (await read).map(({ data }) => data);
      const tokens = Array.from(history as Uint32Array).slice(1);
      const distribution = (of: Float32Array, i: number) =>
        probabilities(of, options, { prompt: ids.slice(0, length), output: [...output, ...tokens.slice(0, i)] });
      const p = Array.from(
        { length: count + 1 },
        (_, i) => distribution((logits as Float32Array).slice(i * V, (i + 1) * V), i),
      );
      const q = proposed.map((of, i) => distribution(of as Float32Array, i));
      const taken = judge(tokens, q, p, () => randomUniform(seed, judgeStream, draws++));
      ids.push(...taken);
      // What was fed and not taken is forgotten; the newest token was not fed.
      large.setLengths([ids.length - 1]);
      small.setLengths([Math.min(small.lengths[0], ids.length - 1)]);
      yield* taken;
    }
  } finally {
    large.free();
    small.free();
  }
}

/**
 * Which proposals are taken, and the token after them: `q[i]` is what proposal i was drawn from, `p[i]` what the model wants there,
 * and `p` has one more. Each is taken with probability min(1, p / q); the first that is not is replaced by a draw from what p has
 * above q. So what comes out is distributed as p, whatever q is.
 */
export function judge(
  proposals: readonly number[],
  q: readonly Float64Array[],
  p: readonly Float64Array[],
  draw: () => number,
): number[] {
  const taken: number[] = [];
  for (const [i, token] of proposals.entries()) {
    if (draw() * q[i][token] >= p[i][token]) {
      const rest = p[i].map((each, id) => Math.max(0, each - q[i][id]));
      return [...taken, pick(rest.some((each) => each > 0) ? rest : p[i], draw())];
    }
    taken.push(token);
  }
  return [...taken, pick(p[proposals.length], draw())];
}

/** Logits after new tokens (1, T), all or the last: from the beginning of an empty cache, or behind what it holds. */
function feed(model: LanguageModel, cache: KvCache, ids: Tensor, lastOnly: boolean): Tensor {
  const T = ids.shape[1];
  if (cache.lengths[0] > 0) return model.forward(ids, { cache, lastOnly });
  const logits = model.forward(ids, { cache, rows: rowNumbers(model.gpu, [0]), lastOnly });
  cache.setLengths([T]);
  return logits;
}

function cacheOf(model: LanguageModel): KvCache {
  if (!model.newCache) throw new WeftError("Speculative decoding needs models that keep keys and values");
  return model.newCache(1);
}
