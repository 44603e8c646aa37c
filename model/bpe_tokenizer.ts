import { WeftError } from "../engine/weft_error.ts";
import { type BpeDefinition, definitionFromGpt2, definitionFromRanks, missingByte } from "./bpe_definition.ts";
import type { AddedToken, RanksOptions } from "./bpe_definition.ts";
import { BpeMerges } from "./bpe_merges.ts";
import { byteCharacters, bytesToToken, tokenToBytes } from "./byte_alphabet.ts";
import { definitionFromJson, definitionToJson, type TokenizerJson } from "./tokenizer_json.ts";
import { WordCache } from "./word_cache.ts";
import { type WordPatternName, wordPatterns, type WordScanner } from "./word_pattern.ts";

/** How a text is encoded. */
export interface EncodeOptions {
  /** What `<|endoftext|>` and its like in a text are: those tokens ("allow"), or text as any other ("text"). Default: "allow". */
  readonly specialTokens?: "allow" | "text";
}

const encoder = new TextEncoder();
/** Most ids that the cache of words writes at once. */
const room = 8;

/**
 * Byte-level byte-pair encoding, the tokenizer of GPT-2 (Radford et al. 2019) and its successors: UTF-8 is cut into
 * words by a pattern, and within each word bytes are merged by rank. It spells every text, for every byte is a token.
 *
 * A text is what `TextEncoder` makes of it: half a surrogate pair becomes U+FFFD. `encodeBytes` takes any bytes.
 *
 * @example
 * ```ts
 * import { BpeTokenizer } from "./bpe_tokenizer.ts";
 * const bytes = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte));
 * const longer = ["th", "the", " the"].map((token) => new TextEncoder().encode(token));
 * const tokenizer = BpeTokenizer.fromRanks([...bytes, ...longer], { pattern: "gpt2" });
 * console.log(tokenizer.encode("the theory")); // Int32Array [257, 258, 111, 114, 121]
 * console.log(tokenizer.decode(tokenizer.encode("naïve 🙂"))); // naïve 🙂
 * ```
 */
export class BpeTokenizer {
  /** One more than the largest id. */
  readonly vocabSize: number;
  /** How text is cut into words. */
  readonly pattern: WordPatternName;
  /** Tokens outside of the merges. */
  readonly addedTokens: readonly AddedToken[];
  /** Id of the special token `<|endoftext|>`, which parts documents, where there is one. */
  readonly endOfText?: number;
  #definition: BpeDefinition;
  #merges = new BpeMerges();
  #wordEnd: WordScanner;
  #cache = new WordCache();
  #byteIds = new Int32Array(256);
  /** Bytes of all tokens, one after the other, and where those of each id begin. */
  #bytes: Uint8Array<ArrayBuffer>;
  #starts: Int32Array;
  #addedIds: Map<string, number>;
  #added?: RegExp;
  #addedText?: RegExp;
  #scratch = new Uint8Array(1 << 16);
  #word = new Int32Array(256);
  #ids = new Int32Array(1 << 12);
  #count = 0;

  private constructor(definition: BpeDefinition) {
    const { vocab, merges, pattern, addedTokens } = definition;
    this.#definition = definition;
    this.pattern = pattern;
    this.addedTokens = addedTokens;
    this.#wordEnd = wordPatterns[pattern].wordEnd;
    this.#addedIds = new Map(addedTokens.map(({ content, id }) => [content, id]));
    this.#added = anyOf(addedTokens);
    this.#addedText = anyOf(addedTokens.filter(({ special }) => !special));
    this.endOfText = addedTokens.find(({ content, special }) => special && content === "<|endoftext|>")?.id;
    for (const [byte, character] of byteCharacters.entries()) {
      const id = vocab.get(character);
      if (id === undefined) throw missingByte(byte);
      this.#byteIds[byte] = id;
    }
    for (const [left, right] of merges) {
      const ids = [left, right, left + right].map((token) => vocab.get(token));
      const missing = ids.indexOf(undefined);
      if (missing >= 0) {
        const token = [left, right, left + right][missing];
        throw new WeftError(
          `The merge of "${left}" and "${right}" needs the token "${token}": the vocabulary has none`,
        );
      }
      this.#merges.add(ids[0]!, ids[1]!, ids[2]!);
    }
    [this.#bytes, this.#starts] = layOut(definition);
    this.vocabSize = this.#starts.length - 1;
  }

  /**
   * The tokenizer of a definition.
   *
   * @throws {WeftError} when a byte has no token, or a merge names one that is not there.
   */
  static fromDefinition(definition: BpeDefinition): BpeTokenizer {
    return new BpeTokenizer(definition);
  }

  /**
   * Reads a Hugging Face `tokenizer.json`, parsed.
   *
   * @throws {WeftError} at whatever in it this class does not implement, and where it is damaged.
   */
  static fromJSON(value: unknown): BpeTokenizer {
    return new BpeTokenizer(definitionFromJson(value));
  }

  /**
   * Reads GPT-2's own files: the contents of `encoder.json`, parsed, and the text of `vocab.bpe`.
   *
   * @throws {WeftError} where they are damaged.
   */
  static fromGpt2(encoder: Readonly<Record<string, number>>, merges: string): BpeTokenizer {
    return new BpeTokenizer(definitionFromGpt2(encoder, merges));
  }

  /**
   * A tokenizer that is known by its ranks, as tiktoken's files hold them: the bytes of each token, by id.
   *
   * @throws {WeftError} when a byte has no token, or a token is not made of two that come before it.
   */
  static fromRanks(ranks: readonly (Uint8Array | undefined)[], options: RanksOptions): BpeTokenizer {
    return new BpeTokenizer(definitionFromRanks(ranks, options));
  }

  /** A `tokenizer.json` that Hugging Face's libraries load. */
  toJSON(): TokenizerJson {
    return definitionToJson(this.#definition);
  }

  /** The ids of a text. */
  encode(text: string, { specialTokens = "allow" }: EncodeOptions = {}): Int32Array<ArrayBuffer> {
    this.#count = 0;
    const added = specialTokens === "allow" ? this.#added : this.#addedText;
    let from = 0;
    if (added !== undefined) {
      for (const { 0: content, index } of text.matchAll(added)) {
        this.#encodeText(text.slice(from, index));
        this.#reserve(1);
        this.#ids[this.#count++] = this.#addedIds.get(content)!;
        from = index + content.length;
      }
    }
    this.#encodeText(from === 0 ? text : text.slice(from));
    return this.#ids.slice(0, this.#count);
  }

  /** The ids of bytes, whatever they are; special tokens are not looked for. */
  encodeBytes(bytes: Uint8Array): Int32Array<ArrayBuffer> {
    this.#count = 0;
    this.#encodeRange(bytes, bytes.length);
    return this.#ids.slice(0, this.#count);
  }

  /**
   * The text of ids. Bytes that are no UTF-8, such as those of a character that is cut in two, become U+FFFD.
   *
   * @throws {WeftError} when an id is no token's.
   */
  decode(ids: ArrayLike<number>): string {
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(this.decodeBytes(ids));
  }

  /**
   * The bytes of ids.
   *
   * @throws {WeftError} when an id is no token's.
   */
  decodeBytes(ids: ArrayLike<number>): Uint8Array<ArrayBuffer> {
    const starts = this.#starts, all = this.#bytes;
    let length = 0;
    for (let i = 0; i < ids.length; i++) {
      const size = starts[ids[i] + 1] - starts[ids[i]];
      if (!(size > 0)) {
        throw new WeftError(`Cannot decode the id ${ids[i]} at place ${i}: it is no token of the ${this.vocabSize}`);
      }
      length += size;
    }
    const bytes = new Uint8Array(length);
    for (let i = 0, at = 0; i < ids.length; i++) {
      for (let from = starts[ids[i]]; from < starts[ids[i] + 1]; from++) bytes[at++] = all[from];
    }
    return bytes;
  }

  #encodeText(text: string): void {
    if (3 * text.length > this.#scratch.length) {
      const bytes = encoder.encode(text);
      return this.#encodeRange(bytes, bytes.length);
    }
    this.#encodeRange(this.#scratch, encoder.encodeInto(text, this.#scratch).written);
  }

  #encodeRange(bytes: Uint8Array, end: number): void {
    const wordEnd = this.#wordEnd, cache = this.#cache;
    for (let start = 0, next = 0; start < end; start = next) {
      next = wordEnd(bytes, start, end);
      if (this.#count + room > this.#ids.length) this.#reserve(room);
      const known = cache.copy(bytes, start, next, this.#ids, this.#count);
      if (known > 0) this.#count += known;
      else this.#encodeWord(bytes, start, next, known === 0);
    }
  }

  #encodeWord(bytes: Uint8Array, start: number, end: number, keep: boolean): void {
    const length = end - start;
    if (length > this.#word.length) this.#word = new Int32Array(length);
    const word = this.#word;
    let count = 1;
    const whole = this.#definition.ignoreMerges
      ? this.#definition.vocab.get(bytesToToken(bytes.subarray(start, end)))
      : undefined;
    if (whole !== undefined) word[0] = whole;
    else {
      for (let i = 0; i < length; i++) word[i] = this.#byteIds[bytes[start + i]];
      count = this.#merges.apply(word, length);
    }
    if (keep) this.#cache.keep(bytes, start, end, word, count);
    this.#reserve(count);
    this.#ids.set(word.subarray(0, count), this.#count);
    this.#count += count;
  }

  #reserve(count: number): void {
    if (this.#count + count <= this.#ids.length) return;
    const larger = new Int32Array(2 * (this.#count + count));
    larger.set(this.#ids);
    this.#ids = larger;
  }
}

/** Finds the tokens in a text: the leftmost, and of those that begin there the longest. */
function anyOf(tokens: readonly AddedToken[]): RegExp | undefined {
  if (tokens.length === 0) return undefined;
  const longestFirst = tokens.map(({ content }) => content).sort((a, b) => b.length - a.length);
  return new RegExp(longestFirst.map((content) => RegExp.escape(content)).join("|"), "gu");
}

/** The bytes of all tokens in one array, and where those of each id begin; an id without a token has none. */
function layOut({ vocab, addedTokens }: BpeDefinition): [Uint8Array<ArrayBuffer>, Int32Array] {
  const tokens: Uint8Array[] = [];
  const put = (id: number, bytes: Uint8Array | undefined, name: string) => {
    if (!Number.isInteger(id) || id < 0 || id >= 2 ** 24) {
      throw new WeftError(
        `The token ${JSON.stringify(name)} has the id ${id}: ids are whole numbers from 0 to 2^24 - 1`,
      );
    }
    if (bytes === undefined || bytes.length === 0) {
      throw new WeftError(`The token ${JSON.stringify(name)} is not written in the alphabet of byte-level BPE`);
    }
    if (tokens[id] !== undefined) {
      throw new WeftError(`The id ${id} belongs to two tokens: ${JSON.stringify(name)} is one`);
    }
    tokens[id] = bytes;
  };
  for (const [token, id] of vocab) put(id, tokenToBytes(token), token);
  for (const { id, content } of addedTokens) {
    if (vocab.has(content)) throw new WeftError(`The added token ${JSON.stringify(content)} is an ordinary token, too`);
    put(id, encoder.encode(content), content);
  }
  const starts = new Int32Array(tokens.length + 1);
  for (let id = 0; id < tokens.length; id++) starts[id + 1] = starts[id] + (tokens[id]?.length ?? 0);
  const bytes = new Uint8Array(starts[tokens.length]);
  for (let id = 0; id < tokens.length; id++) if (tokens[id] !== undefined) bytes.set(tokens[id], starts[id]);
  return [bytes, starts];
}
