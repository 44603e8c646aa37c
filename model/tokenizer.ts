import { WeftError } from "../engine/weft_error.ts";
import { BpeTokenizer, type EncodeOptions } from "./bpe_tokenizer.ts";
import { CharTokenizer } from "./char_tokenizer.ts";
import { charactersFromJson } from "./char_tokenizer_json.ts";

/** Turns text into ids and back. */
export interface Tokenizer {
  /** Ids are below it. */
  readonly vocabSize: number;
  /** Id of the token that ends a document, where there is one. */
  readonly endOfText?: number;
  /** The ids of a text. */
  encode(text: string, options?: EncodeOptions): Int32Array<ArrayBuffer>;
  /** The text of ids. */
  decode(ids: ArrayLike<number>): string;
  /** The bytes of ids, where a token may be part of a character. */
  decodeBytes?(ids: ArrayLike<number>): Uint8Array<ArrayBuffer>;
  /** What a file holds of it. */
  toJSON(): unknown;
}

/**
 * Reads what `toJSON` of a tokenizer gave, or a Hugging Face `tokenizer.json` with byte-level BPE.
 *
 * @throws {WeftError} when it is something else, naming what is not known.
 *
 * @example
 * ```ts
 * import { tokenizerFromJSON } from "./tokenizer.ts";
 * const tokenizer = tokenizerFromJSON({ type: "character", characters: "abc" });
 * console.log(tokenizer.encode("cab")); // Int32Array [2, 0, 1]
 * ```
 */
export function tokenizerFromJSON(value: unknown): Tokenizer {
  const { type, model } = (value ?? {}) as { type?: unknown; model?: unknown };
  if (type === "character" || charactersFromJson(value) !== undefined) return CharTokenizer.fromJSON(value);
  if (model !== undefined) return BpeTokenizer.fromJSON(value);
  throw new WeftError(
    `This is no tokenizer: it must have type "character", or be a tokenizer.json of Hugging Face with a model`,
  );
}
