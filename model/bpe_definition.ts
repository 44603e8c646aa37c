import { WeftError } from "../engine/weft_error.ts";
import { BpeMerges } from "./bpe_merges.ts";
import { byteCharacters, bytesInOrder, bytesToToken } from "./byte_alphabet.ts";
import type { WordPatternName } from "./word_pattern.ts";

/** A token that stands for a text of its own, such as `<|endoftext|>`, and takes part in no merge. */
export interface AddedToken {
  /** Its id. */
  readonly id: number;
  /** The text that it stands for. */
  readonly content: string;
  /** Whether it is a mark rather than text, so that `encode` can be told to see ordinary text in it. */
  readonly special: boolean;
}

/** What a byte-level BPE tokenizer is made of. */
export interface BpeDefinition {
  /** Ids by token, in GPT-2's alphabet of bytes. All single bytes are among them, added tokens are not. */
  readonly vocab: ReadonlyMap<string, number>;
  /** Pairs of tokens that become one, by rank. */
  readonly merges: readonly (readonly [string, string])[];
  /** How text is cut into words. */
  readonly pattern: WordPatternName;
  /** Tokens outside of the merges. */
  readonly addedTokens: readonly AddedToken[];
  /** Whether a word that is itself a token is taken whole, whatever the merges say. */
  readonly ignoreMerges: boolean;
}

/** What belongs to a tokenizer beside its ranks. */
export interface RanksOptions {
  /** How text is cut into words. */
  readonly pattern: WordPatternName;
  /** Ids of special tokens by their text. Default: none. */
  readonly specialTokens?: Readonly<Record<string, number>>;
}

/**
 * The definition that GPT-2's own files hold: `encoder` is the contents of encoder.json, `merges` the text of vocab.bpe.
 *
 * @throws {WeftError} at a line that is no merge, or an id that is none.
 */
export function definitionFromGpt2(encoder: Readonly<Record<string, number>>, merges: string): BpeDefinition {
  const vocab = new Map(Object.entries(encoder)), content = "<|endoftext|>", id = vocab.get(content);
  if (id !== undefined) vocab.delete(content);
  const lines = merges.split("\n").filter((line) => line !== "" && !line.startsWith("#version"));
  return {
    vocab,
    merges: lines.map((line) => splitMerge(line.trimEnd())),
    pattern: "gpt2",
    addedTokens: id === undefined ? [] : [{ id, content, special: true }],
    ignoreMerges: false,
  };
}

/** The two tokens of a merge that is written with a space between them. */
export function splitMerge(line: string): [string, string] {
  const parts = line.split(" ");
  if (parts.length !== 2 || parts.includes("")) {
    throw new WeftError(
      `The merge ${JSON.stringify(line)} is damaged: it must be two tokens with a space between them`,
    );
  }
  return [parts[0], parts[1]];
}

/**
 * The definition of a tokenizer that is known by its ranks alone, as tiktoken has them: the bytes of each token, by id
 * (a hole where there is none). The merge that makes a token is found by encoding it with the tokens before it, which
 * leaves two.
 *
 * @throws {WeftError} when a byte has no token, or a token is not made of two that come before it.
 */
export function definitionFromRanks(ranks: readonly (Uint8Array | undefined)[], options: RanksOptions): BpeDefinition {
  const { pattern, specialTokens = {} } = options;
  const vocab = new Map<string, number>(), merges: [string, string][] = [], bpe = new BpeMerges();
  const byteIds = new Int32Array(256).fill(-1);
  ranks.forEach((bytes, id) => {
    if (bytes === undefined) return;
    vocab.set(bytesToToken(bytes), id);
    if (bytes.length === 1) byteIds[bytes[0]] = id;
  });
  for (const byte of bytesInOrder) if (byteIds[byte] < 0) throw missingByte(byte);
  const tokens = new Map([...vocab].map(([token, id]) => [id, token]));
  ranks.forEach((bytes, id) => {
    if (bytes === undefined || bytes.length === 1) return;
    const word = Int32Array.from(bytes, (byte) => byteIds[byte]);
    if (bpe.apply(word, word.length) !== 2) {
      throw new WeftError(`The token ${JSON.stringify(tokens.get(id))} of rank ${id} is not made of two of lower rank`);
    }
    bpe.add(word[0], word[1], id);
    merges.push([tokens.get(word[0])!, tokens.get(word[1])!]);
  });
  const addedTokens = Object.entries(specialTokens).map(([content, id]) => ({ id, content, special: true }));
  return { vocab, merges, pattern, addedTokens, ignoreMerges: false };
}

/** The error for a vocabulary that cannot spell every text. */
export function missingByte(byte: number): WeftError {
  const name = JSON.stringify(byteCharacters[byte]);
  return new WeftError(`The vocabulary has no token for the byte ${byte} (${name}): byte-level BPE needs all 256`);
}
