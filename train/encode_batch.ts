import { WeftError } from "../engine/weft_error.ts";
import { randomU32 } from "../engine/random.ts";
import { BpeTokenizer } from "../model/bpe_tokenizer.ts";
import { CharTokenizer } from "../model/char_tokenizer.ts";
import { type Tokenizer, tokenizerFromJSON } from "../model/tokenizer.ts";
import type { Document, DocumentBatch } from "./cleaning/document.ts";

/** What makes tokens of texts. */
export interface EncodeSetup {
  /** The tokenizer, as `toJSON` gives it; or itself, for this thread alone. */
  readonly tokenizer: Record<string, unknown> | Tokenizer;
  /** Ids that follow each document. */
  readonly end: Int32Array;
  /** Seed of the documents' hashes. */
  readonly seed: number;
}

/** The tokens of a batch of documents. */
export interface EncodedBatch {
  /** The ids of all, one after the other, each followed by its end. */
  readonly ids: Int32Array<ArrayBuffer>;
  /** How many ids each has, with its end. */
  readonly lengths: Int32Array<ArrayBuffer>;
  /** A hash of 32 bits of each text. */
  readonly hashes: Uint32Array<ArrayBuffer>;
}

/** A tokenizer as plain data, or undefined where it is of a kind that no thread could make from it. */
export function encodeSetupOf(tokenizer: Tokenizer): Record<string, unknown> | undefined {
  if (!(tokenizer instanceof BpeTokenizer || tokenizer instanceof CharTokenizer)) return undefined;
  return JSON.parse(JSON.stringify(tokenizer));
}

/**
 * The work of a thread that encodes.
 *
 * @throws {WeftError} where a text cannot be encoded, with its source.
 */
export function prepareEncoder(setup: EncodeSetup): (batch: Pick<DocumentBatch, "documents">) => EncodedBatch {
  const { end, seed } = setup,
    tokenizer = "encode" in setup.tokenizer ? setup.tokenizer as Tokenizer : tokenizerFromJSON(setup.tokenizer);
  return ({ documents }) => {
    const parts = documents.map((document) => encode(tokenizer, document));
    const lengths = Int32Array.from(parts, ({ length }) => length + end.length);
    const ids = new Int32Array(lengths.reduce((sum, length) => sum + length, 0));
    let at = 0;
    for (const part of parts) {
      ids.set(part, at);
      ids.set(end, at += part.length);
      at += end.length;
    }
    return { ids, lengths, hashes: Uint32Array.from(documents, ({ text }) => hashOf(text, seed)) };
  };
}

/** A text that spells `<|endoftext|>` does not end there: special tokens are for those who make the data. */
function encode(tokenizer: Tokenizer, { text, source }: Document): Int32Array {
  try {
    return tokenizer.encode(text, { specialTokens: "text" });
  } catch (error) {
    if (error instanceof WeftError) error.message = `${source}: ${error.message}`;
    throw error;
  }
}

/** A hash of a text: its code units two at a time through the generator of random numbers. */
function hashOf(text: string, seed: number): number {
  let hash = randomU32(seed, 0, text.length);
  for (let i = 0; i < text.length; i += 2) {
    hash = Math.imul(hash ^ text.charCodeAt(i) ^ (text.charCodeAt(i + 1) || 0) << 16, 0x9e3779b1);
    hash = (hash << 13 | hash >>> 19) >>> 0;
  }
  return randomU32(seed, 1, hash);
}
