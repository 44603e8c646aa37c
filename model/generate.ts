import { type ContextRule, Decoder, type DecodeRequest, type DecoderOptions, type DrawnToken } from "./decoder.ts";
import type { LanguageModel } from "./language_model.ts";
import type { SamplingOptions } from "./sampling.ts";

export { sample } from "./sampling.ts";

/** How a sequence is continued. */
export interface GenerateOptions extends SamplingOptions {
  /** How many tokens to add. */
  readonly maxNewTokens: number;
  /** What the model sees of a text that is longer than its block. Default: "crop". */
  readonly context?: ContextRule;
  /** Whether keys and values are kept, by a model that can; it makes no difference but for time. Default: yes. */
  readonly cache?: boolean;
}

/**
 * Continues a sequence of tokens, one token at a time, as they are drawn. Of a text longer than the model's block it sees what
 * `context` says. Dropout is off. The same seed gives the same tokens.
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
  for await (const [{ id }] of generateBatch(model, [{ ...options, prompt }], options)) yield id;
}

/**
 * Continues several sequences together, each by its own options: yields one token of each, step by step. A row's tokens do not
 * depend on what the other rows hold; how many they are may change the last bits of logits.
 *
 * Steps are submitted ahead of their results, so that no token waits for a readback, which takes 11 ms in Deno: while the GPU
 * computes some tokens, the next ones are recorded, and they are submitted before the read of the first has come back. How
 * many go together follows from how fast they come: about 30 ms of them.
 *
 * @throws {WeftError} when a prompt is empty or an option is out of its range.
 *
 * @example
 * ```ts
 * import { Gpu } from "../engine/gpu.ts";
 * import { generateBatch } from "./generate.ts";
 * import { Gpt } from "./gpt.ts";
 *
 * using gpu = await Gpu.open();
 * const model = new Gpt(gpu, { n_layer: 1, n_head: 2, n_embd: 16, block_size: 16, vocab_size: 11 });
 * const requests = [{ prompt: [1, 2, 3], temperature: 0 }, { prompt: [4], topP: 0.9, seed: 7 }];
 * for await (const [a, b] of generateBatch(model, requests, { maxNewTokens: 5 })) console.log(a.id, b.id, b.logProb);
 * ```
 */
export async function* generateBatch(
  model: LanguageModel,
  requests: readonly DecodeRequest[],
  options: DecoderOptions,
): AsyncGenerator<DrawnToken[], void, void> {
  const decoder = new Decoder(model, requests, options);
  try {
    const record = (count: number) => {
      const from = decoder.steps, end = Math.min(from + count, options.maxNewTokens);
      if (end === from) return undefined;
      while (decoder.steps < end) decoder.step();
      return { steps: end - from, read: decoder.stage(from) };
    };
    let ready = record(1), count = 1, before = performance.now();
    model.gpu.submit();
    while (ready) {
      const next = record(count), pending = ready.read(); // blocks until the GPU has computed what is ready
      model.gpu.recorder.submit();
      const drawn = await pending, now = performance.now();
      count = Math.max(1, Math.min(64, 4 * count, Math.floor(30 * ready.steps / (now - before))));
      before = now;
      for (const tokens of drawn) yield tokens;
      ready = next;
    }
  } finally {
    decoder.free();
  }
}
