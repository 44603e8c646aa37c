import { WeftError } from "../engine/weft_error.ts";
import { byteCharacters, bytesInOrder } from "../model/byte_alphabet.ts";
import { BpeTokenizer } from "../model/bpe_tokenizer.ts";
import type { WordPatternName } from "../model/word_pattern.ts";
import { countWords } from "./count_words.ts";
import { PairIndex } from "./pair_index.ts";
import type { WordCounts } from "./word_counts.ts";

/** What kind of tokenizer is learned. */
export interface BpeTrainerOptions {
  /** Number of tokens: 256 bytes, special tokens, and as many merges as are left. Fewer where the text has no more pairs. */
  readonly vocabSize: number;
  /** How text is cut into words. Default: "gpt2". */
  readonly pattern?: WordPatternName;
  /** How often a pair must occur to become a token. Default: 2. */
  readonly minFrequency?: number;
  /** Tokens that stand for themselves; their ids are the last. Default: `<|endoftext|>`. */
  readonly specialTokens?: readonly string[];
  /** Threads that count words. Default: as many as the machine has cores. */
  readonly workers?: number;
  /** Is told now and then how far it is. */
  readonly onProgress?: (progress: BpeTrainerProgress) => void;
}

/** How far a training is. */
export type BpeTrainerProgress = {
  /** Characters whose words are counted, or will be soon. */
  readonly characters: number;
} | {
  /** Merges that are learned. */
  readonly merges: number;
  /** Merges to learn, at most. */
  readonly of: number;
};

/**
 * Learns a byte-level BPE tokenizer from texts (Sennrich et al. 2016): again and again the pair of neighbouring symbols
 * that occurs most often in the words becomes a token. Of pairs that occur equally often the one with the smaller ids
 * comes first, as in Hugging Face's trainer. Texts are read once, one after the other, and each is whole: what comes in
 * arbitrary pieces goes through `wholeWords` first. The result is the same for any number of threads.
 *
 * @throws {WeftError} when the options are impossible, or the texts are empty.
 *
 * @example
 * ```ts
 * import { trainBpe } from "./bpe_trainer.ts";
 * const tokenizer = await trainBpe(["low lower lowest, low lower"], { vocabSize: 262 });
 * console.log(tokenizer.toJSON().model.merges.map((pair) => pair.join(""))); // [ "lo", "low", "er", "Ġlow", "Ġlower" ]
 * console.log(tokenizer.endOfText); // 261
 * ```
 */
export async function trainBpe(
  texts: AsyncIterable<string> | Iterable<string>,
  options: BpeTrainerOptions,
): Promise<BpeTokenizer> {
  const { vocabSize, pattern = "gpt2", specialTokens = ["<|endoftext|>"], workers, onProgress } = options;
  checkOptions(vocabSize, specialTokens);
  const words = await countWords(texts, {
    pattern,
    workers,
    onProgress: (characters) => onProgress?.({ characters }),
  });
  if (words.size === 0) throw new WeftError("Cannot learn a tokenizer from an empty text");
  const limit = vocabSize - specialTokens.length;
  const { vocab, merges } = learnMerges(words, limit, options);
  return BpeTokenizer.fromDefinition({
    vocab,
    merges,
    pattern,
    addedTokens: specialTokens.map((content, i) => ({ id: vocab.size + i, content, special: true })),
    ignoreMerges: false,
  });
}

function checkOptions(vocabSize: number, specialTokens: readonly string[]): void {
  const least = 256 + specialTokens.length;
  if (!Number.isInteger(vocabSize) || vocabSize < least || vocabSize > 2 ** 24) {
    throw new WeftError(
      `vocab_size is ${vocabSize}: it must be a whole number from ${least}, for 256 bytes and the special tokens, to 2^24`,
    );
  }
  for (const [i, token] of specialTokens.entries()) {
    const why = token === ""
      ? "it is empty"
      : byteCharacters.includes(token)
      ? "it would be the token of a byte"
      : !token.isWellFormed()
      ? "it is no valid Unicode"
      : specialTokens.indexOf(token) < i
      ? "it is there twice"
      : undefined;
    if (why !== undefined) throw new WeftError(`The special token ${JSON.stringify(token)} cannot be: ${why}`);
  }
}

/** The tokens up to `limit` and their merges. */
function learnMerges(
  words: WordCounts,
  limit: number,
  { minFrequency = 2, specialTokens = ["<|endoftext|>"], onProgress }: BpeTrainerOptions,
): { vocab: Map<string, number>; merges: [string, string][] } {
  const tokens = bytesInOrder.map((byte) => byteCharacters[byte]), reserved = new Set(specialTokens);
  const vocab = new Map(tokens.map((token, id) => [token, id])), merges: [string, string][] = [];
  const index = new PairIndex(words, Math.max(1, minFrequency));
  while (vocab.size < limit) {
    const pair = index.popBest();
    if (pair === undefined) break;
    const left = tokens[pair.left], right = tokens[pair.right], token = left + right;
    if (reserved.has(token)) continue; // a vocabulary has one id for each name
    // Two pairs may spell the same token: it keeps its one id, and both are merges.
    const id = vocab.get(token) ?? tokens.push(token) - 1;
    vocab.set(token, id);
    merges.push([left, right]);
    index.merge(pair, id);
    if (merges.length % 128 === 0) onProgress?.({ merges: merges.length, of: limit - 256 });
  }
  return { vocab, merges };
}
