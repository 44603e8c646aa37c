import { embedding } from "../engine/ops/embedding.ts";
import { gather } from "../engine/ops/gather.ts";
import { reshape } from "../engine/ops/layout.ts";
import { logSoftmax } from "../engine/ops/softmax.ts";
import { Scope } from "../engine/scope.ts";
import { tensor } from "../engine/tensor.ts";
import { WeftError } from "../engine/weft_error.ts";
import type { DecoderOptions } from "./decoder.ts";
import { generateBatch } from "./generate.ts";
import { type LanguageModel, withoutDropout } from "./language_model.ts";
import type { SamplingOptions } from "./sampling.ts";
import { type EndOptions, type FinishReason, TextStream } from "./text_stream.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** How text is continued. */
export interface TextOptions extends DecoderOptions, SamplingOptions, EndOptions {}

/** One of several texts to continue; what it leaves out is as for all. */
export interface TextRequest extends SamplingOptions {
  /** The text so far. */
  readonly prompt: string;
  /** Strings that end the text. */
  readonly stop?: readonly string[];
}

/** A token of one of several texts. */
export interface TextPiece {
  /** Which text. */
  readonly row: number;
  /** The text that it adds: whole characters, sometimes none, sometimes those of tokens before it. */
  readonly text: string;
  /** The token. */
  readonly id: number;
  /** Its log-probability by the model's logits alone, in nats. */
  readonly logProb: number;
  /** Why the text ends with it, if it does. */
  readonly finish?: FinishReason;
}

/**
 * Continues texts together, each by its own options, and yields their tokens as they are drawn. A row has its own seed, or that of
 * all plus its number. Texts do not influence each other.
 *
 * @throws {WeftError} when a prompt is empty or an option is out of its range.
 *
 * @example
 * ```ts
 * import { Gpu } from "../engine/gpu.ts";
 * import { Bigram } from "./bigram.ts";
 * import { CharTokenizer } from "./char_tokenizer.ts";
 * import { generateTexts } from "./generate_text.ts";
 *
 * using gpu = await Gpu.open();
 * const tokenizer = CharTokenizer.fromText("to be or not to be");
 * const model = new Bigram(gpu, { vocab_size: tokenizer.vocabSize, block_size: 8 }), texts = ["", ""];
 * const prompts = ["to ", { prompt: "not", temperature: 0.5, stop: [" "] }];
 * for await (const { row, text } of generateTexts(model, tokenizer, prompts, { maxNewTokens: 6 })) texts[row] += text;
 * console.log(texts);
 * ```
 */
export async function* generateTexts(
  model: LanguageModel,
  tokenizer: Tokenizer,
  prompts: readonly (string | TextRequest)[],
  options: TextOptions,
): AsyncGenerator<TextPiece, void, void> {
  const requests = prompts.map((request, row) => {
    const own = typeof request === "string" ? { prompt: request } : request;
    return { ...options, seed: (options.seed ?? 1337) + row, ...own, prompt: tokenizer.encode(own.prompt) };
  });
  const rows = requests.map((request) => ({ stream: new TextStream(tokenizer, request), open: true }));
  let step = 0;
  for await (const drawn of generateBatch(model, requests, options)) {
    step++;
    for (const [row, { id, logProb }] of drawn.entries()) {
      if (!rows[row].open) continue;
      const piece = rows[row].stream.push(id, step === options.maxNewTokens);
      rows[row].open = piece.finish === undefined;
      yield { row, id, logProb, ...piece };
    }
    if (!rows.some(({ open }) => open)) return;
  }
}

/** A text that was continued. */
export interface GeneratedText {
  /** What was added. */
  readonly text: string;
  /** Its tokens, those of a stop string among them. */
  readonly ids: readonly number[];
  /** The log-probability of each by the model's logits alone, in nats. */
  readonly logProbs: readonly number[];
  /** Why it ended. */
  readonly finish: FinishReason;
}

/**
 * Continues a text and yields what is added, as it is written: whole characters, and nothing of a stop string. Returns all of it
 * with its tokens.
 *
 * @throws {WeftError} when the prompt is empty or an option is out of its range.
 *
 * @example
 * ```ts
 * import { Gpu } from "../engine/gpu.ts";
 * import { Bigram } from "./bigram.ts";
 * import { CharTokenizer } from "./char_tokenizer.ts";
 * import { generateText } from "./generate_text.ts";
 *
 * using gpu = await Gpu.open();
 * const tokenizer = CharTokenizer.fromText("to be or not to be");
 * const model = new Bigram(gpu, { vocab_size: tokenizer.vocabSize, block_size: 8 });
 * for await (const piece of generateText(model, tokenizer, "to ", { maxNewTokens: 12, stop: ["."] })) console.log(piece);
 * ```
 */
export async function* generateText(
  model: LanguageModel,
  tokenizer: Tokenizer,
  prompt: string,
  options: TextOptions,
): AsyncGenerator<string, GeneratedText, void> {
  let all = "", finish: FinishReason = "length";
  const ids: number[] = [], logProbs: number[] = [];
  for await (const piece of generateTexts(model, tokenizer, [prompt], options)) {
    ids.push(piece.id);
    logProbs.push(piece.logProb);
    finish = piece.finish ?? finish;
    if (piece.text === "") continue;
    all += piece.text;
    yield piece.text;
  }
  return { text: all, ids, logProbs, finish };
}

/**
 * The log-probability of each token of a text but the first, after those before it, in nats: how likely the model finds it. Only
 * the last blockSize tokens are looked at.
 *
 * @throws {WeftError} when there are fewer than two tokens.
 */
export async function tokenLogProbs(
  model: LanguageModel,
  tokens: ArrayLike<number>,
): Promise<Float32Array<ArrayBuffer>> {
  const { gpu, vocabSize: V } = model, ids = Array.from(tokens).slice(-model.blockSize), T = ids.length;
  if (T < 2) throw new WeftError(`Cannot give log-probabilities of ${T} tokens: the first one has none`);
  const result = new Float32Array(T - 1), most = Math.max(1, Math.floor(gpu.bindingLimit / (4 * V)));
  for (let from = 0; from < T - 1; from += most) {
    const at = Uint32Array.from({ length: Math.min(most, T - 1 - from) }, (_, i) => from + i);
    result.set(await withoutDropout(model, () => logProbsAt(model, ids, at)), from);
  }
  return result;
}

/** Log-probabilities of what follows some places of a text. */
function logProbsAt(model: LanguageModel, ids: readonly number[], at: Uint32Array<ArrayBuffer>): Promise<Float32Array> {
  using _ = new Scope(model.gpu);
  const { gpu, vocabSize: V } = model, places = tensor(gpu, at);
  const targets = tensor(gpu, Int32Array.from(at, (place) => ids[place + 1]), [at.length, 1]);
  let logits = model.forward(tensor(gpu, new Int32Array(ids), [1, ids.length]), { places });
  if (logits.size !== at.length * V) logits = embedding(reshape(logits, [-1, V]), places); // it knows no places
  return gather(logSoftmax(reshape(logits, [-1, V])), 1, targets).read();
}
