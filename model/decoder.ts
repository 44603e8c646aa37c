import { Arena } from "../engine/arena.ts";
import { lastTokens, packRequests, type SampleRequest, type SampleState, sampleTokens } from "../engine/ops/sample.ts";
import { embedding } from "../engine/ops/embedding.ts";
import { reshape } from "../engine/ops/layout.ts";
import { Scope } from "../engine/scope.ts";
import { type Tensor, tensor, zeros } from "../engine/tensor.ts";
import { WeftError } from "../engine/weft_error.ts";
import { type KvCache, rowNumbers } from "./kv_cache.ts";
import { checkPrompt, type LanguageModel, withoutDropout } from "./language_model.ts";
import { hasPenalties, notNumbers, resolveSampling, type SamplingOptions, samplingStream } from "./sampling.ts";

/**
 * What the model sees of a text that is longer than its block. "crop", as nanoGPT does it: the last block_size tokens, so that
 * each token moves all positions and is computed anew. "slide": when the block is full, its later half is computed anew and
 * tokens are added to that, until it is full again.
 */
export type ContextRule = "crop" | "slide";

/** One sequence to continue. */
export interface DecodeRequest extends SamplingOptions {
  /** Its tokens so far. */
  readonly prompt: ArrayLike<number>;
}

/** How sequences are continued. */
export interface DecoderOptions {
  /** How many tokens to add to each. */
  readonly maxNewTokens: number;
  /** What the model sees of a text that is longer than its block. Default: "crop". */
  readonly context?: ContextRule;
  /** Whether keys and values are kept, by a model that can; it makes no difference but for time. Default: yes. */
  readonly cache?: boolean;
}

/** A token that was drawn. */
export interface DrawnToken {
  /** Its id. */
  readonly id: number;
  /** Its log-probability by the model's logits alone, without options, in nats. */
  readonly logProb: number;
}

/**
 * Several sequences that are continued together, one token of each a step, on the GPU alone: the token that a step draws is what
 * the next step reads, so that steps can be recorded ahead of their results. Rows do not influence each other.
 */
export class Decoder {
  /** How many steps were recorded. */
  steps = 0;
  #model: LanguageModel;
  #requests: SampleRequest[];
  #options: Required<DecoderOptions>;
  #prompt: number; // rows of history before the outputs
  #counts: number[]; // tokens that the model sees of each row at the next step
  #arena: Arena;
  #state: SampleState;
  #cache: KvCache | undefined;
  #windows = new Map<string, Tensor>();

  /**
   * A decoder before its first step.
   *
   * @throws {WeftError} when a prompt is empty or holds ids that the model does not have, or an option is out of its range.
   */
  constructor(model: LanguageModel, requests: readonly DecodeRequest[], options: DecoderOptions) {
    const { gpu, vocabSize: V } = model, B = requests.length;
    const { maxNewTokens, context = "crop", cache = true } = options;
    if (!(Number.isSafeInteger(maxNewTokens) && maxNewTokens >= 0)) {
      throw new WeftError(`max_new_tokens is ${maxNewTokens}: it must be a whole number of at least 0`);
    }
    if (B === 0) throw new WeftError("Cannot generate from no prompts: give at least one");
    const prompts = requests.map(({ prompt }) => checkPrompt(prompt, V));
    this.#model = model;
    this.#options = { maxNewTokens, context, cache };
    this.#requests = requests.map((request) => resolveSampling(request, V));
    const P = this.#prompt = Math.max(...prompts.map(({ length }) => length));
    this.#counts = prompts.map(({ length }) => Math.min(length, model.blockSize));
    this.#arena = new Arena(gpu);
    this.#state = this.#arena.hold(() => {
      const history = new Uint32Array((P + maxNewTokens) * B);
      prompts.forEach((prompt, b) => prompt.forEach((id, t) => history[(P - prompt.length + t) * B + b] = id));
      return {
        requests: tensor(gpu, packRequests(this.#requests), [B, 12], { label: "requests" }),
        ids: zeros(gpu, [B], { dtype: "u32", label: "drawn tokens" }),
        history: tensor(gpu, history, [P + maxNewTokens, B], { label: "tokens so far" }),
        logProbs: zeros(gpu, [maxNewTokens, B], { label: "log-probabilities" }),
        counts: requests.some(hasPenalties) ? tensor(gpu, promptCounts(prompts, V), [B, V]) : undefined,
        bias: requests.some(({ logitBias }) => logitBias) ? tensor(gpu, biases(requests, V), [B, V]) : undefined,
      };
    });
    if (cache) this.#cache = model.newCache?.(B);
  }

  /** Records one step: a token more for each sequence. */
  step(): void {
    if (this.steps === this.#options.maxNewTokens) {
      throw new WeftError("All tokens are drawn: a decoder has no more steps");
    }
    withoutDropout(this.#model, () => {
      using _ = new Scope(this.#model.gpu);
      sampleTokens(this.#logits(), this.#state, this.#requests, samplingStream);
    });
    this.steps++;
  }

  /**
   * Records a copy of what was drawn from step `from` on, and returns what reads it once that is submitted: for each of these
   * steps one token of each row.
   */
  stage(from: number): () => Promise<DrawnToken[][]> {
    const { history, logProbs } = this.#state,
      B = this.#requests.length,
      steps = this.steps - from,
      bytes = 4 * steps * B;
    const read = this.#model.gpu.stage([
      { storage: history.storage, offset: 4 * (this.#prompt + from) * B, bytes },
      { storage: logProbs.storage, offset: 4 * from * B, bytes },
    ]);
    return async () => {
      const [first, second] = await read(), ids = new Uint32Array(first), values = new Float32Array(second);
      if (ids.some((id) => id >= this.#model.vocabSize)) throw new WeftError(notNumbers);
      return Array.from(
        { length: steps },
        (_, step) => Array.from({ length: B }, (_, b) => ({ id: ids[step * B + b], logProb: values[step * B + b] })),
      );
    };
  }

  /** Gives the memory back. */
  free(): void {
    this.#arena.free();
    this.#cache?.free();
  }

  /** The logits of the next token of each row: (B, 1, V). */
  #logits(): Tensor {
    const model = this.#model, S = model.blockSize, begins = this.steps === 0;
    const full = !begins && this.#counts.some((count) => count === S);
    if (!begins && this.#options.context === "slide") this.#slide();
    if (full && this.#options.context === "crop") this.#dropCache();
    if (!begins) this.#counts = this.#counts.map((count) => Math.min(count + 1, S));
    if (this.#cache && !begins) {
      return model.forward(reshape(this.#state.ids, [-1, 1]), { cache: this.#cache });
    }
    const all = this.#counts.map((_, b) => b);
    return this.#forward(all, this.#counts, this.#prompt + this.steps);
  }

  /** Logits after the last tokens of some rows, `counts` of each before row `end` of the history; into the cache, if there is one. */
  #forward(rows: readonly number[], counts: readonly number[], end: number): Tensor {
    const model = this.#model, { history } = this.#state, T = Math.max(...counts), cache = this.#cache;
    const numbers = this.#numbers(rows);
    const { ids, places } = lastTokens(history, numbers, this.#numbers(counts), { T, end });
    let logits = model.forward(ids, { places, ...cache ? { cache, rows: numbers } : {} });
    if (logits.shape[1] !== 1) logits = embedding(reshape(logits, [-1, model.vocabSize]), places); // it knows no places
    if (cache) {
      const lengths = [...cache.lengths];
      rows.forEach((row, i) => lengths[row] = counts[i]);
      cache.setLengths(lengths);
    }
    return logits;
  }

  /** Where a row is full, goes on from its later half without the newest token, which comes next. */
  #slide(): void {
    const S = this.#model.blockSize, kept = Math.max(1, S >> 1) - 1;
    const rows = [...this.#counts.keys()].filter((b) => this.#counts[b] === S);
    if (rows.length === 0) return;
    for (const row of rows) this.#counts[row] = kept;
    if (!this.#cache) return;
    if (kept > 0) this.#forward(rows, rows.map(() => kept), this.#prompt + this.steps - 1);
    else this.#cache.setLengths(this.#cache.lengths.map((length, b) => rows.includes(b) ? 0 : length));
  }

  #dropCache(): void {
    this.#cache?.free();
    this.#cache = undefined;
  }

  /** Whole numbers on the GPU: those of a text that is cropped are the same at each step, and so is their tensor. */
  #numbers(values: readonly number[]): Tensor {
    const key = values.join(), known = this.#windows.get(key), make = () => rowNumbers(this.#model.gpu, values);
    if (known || this.#windows.size === 8) return known ?? make();
    const numbers = this.#arena.hold(make);
    this.#windows.set(key, numbers);
    return numbers;
  }
}

/** 1 for each token of the prompt: (B, V). */
function promptCounts(prompts: readonly number[][], V: number): Uint32Array<ArrayBuffer> {
  const counts = new Uint32Array(prompts.length * V);
  prompts.forEach((prompt, b) => prompt.forEach((id) => counts[b * V + id] = 1));
  return counts;
}

function biases(requests: readonly DecodeRequest[], V: number): Float32Array<ArrayBuffer> {
  const biases = new Float32Array(requests.length * V);
  requests.forEach(({ logitBias = {} }, b) => {
    for (const [id, bias] of Object.entries(logitBias)) biases[b * V + Number(id)] = bias;
  });
  return biases;
}
