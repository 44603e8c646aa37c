import { classOf, letter, number, other, space } from "./character_classes.ts";

/** Where a word ends that begins at `start` of `bytes` in UTF-8. No word goes past `end`; `start` is before it. */
export type WordScanner = (bytes: Uint8Array, start: number, end: number) => number;

/** How a text is cut into words, within which bytes may be merged. */
export interface WordPattern {
  /** The regular expression as `tokenizer.json` and tiktoken write it. */
  readonly regex: string;
  /** The same by hand: it runs over bytes, about thirty times as fast. Bytes that are not UTF-8 count as punctuation. */
  readonly wordEnd: WordScanner;
}

/** Names of the patterns. */
export type WordPatternName = "gpt2" | "cl100k";

/**
 * The patterns of GPT-2 (Radford et al. 2019) and of cl100k, which GPT-4 and Llama 3 use. `\s` is Unicode's White_Space
 * in both, as in the libraries that they come from.
 *
 * @example
 * ```ts
 * import { wordPatterns } from "./word_pattern.ts";
 * const bytes = new TextEncoder().encode("it's fine"), words: string[] = [];
 * for (let at = 0, end = 0; at < bytes.length; at = end) {
 *   end = wordPatterns.gpt2.wordEnd(bytes, at, bytes.length);
 *   words.push(new TextDecoder().decode(bytes.subarray(at, end)));
 * }
 * console.log(words); // [ "it", "'s", " fine" ]
 * ```
 */
export const wordPatterns: Readonly<Record<WordPatternName, WordPattern>> = {
  gpt2: {
    regex: String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`,
    wordEnd: gpt2WordEnd,
  },
  cl100k: {
    regex: String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*` +
      String.raw`|\s*[\r\n]+|\s+(?!\S)|\s+`,
    wordEnd: cl100kWordEnd,
  },
};

const asciiClasses = Uint8Array.from({ length: 128 }, (_, code) => classOf(code));
const apostrophe = 0x27, blank = 0x20, lineFeed = 0x0a, carriageReturn = 0x0d;

/** Class of the character at `at` in the low two bits, and above them its number of bytes. */
function characterAt(bytes: Uint8Array, at: number, end: number): number {
  const first = bytes[at];
  return first < 0x80 ? asciiClasses[first] | 1 << 2 : longCharacterAt(bytes, at, end);
}

function longCharacterAt(bytes: Uint8Array, at: number, end: number): number {
  const first = bytes[at], length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || at + length > end) return other | 1 << 2;
  let codePoint = first & (0x7f >> length);
  for (let i = 1; i < length; i++) {
    const byte = bytes[at + i];
    if ((byte & 0xc0) !== 0x80) return other | 1 << 2;
    codePoint = codePoint << 6 | byte & 0x3f;
  }
  const overlong = codePoint < (length === 3 ? 0x800 : length === 4 ? 0x10000 : 0x80);
  const surrogate = codePoint >= 0xd800 && codePoint < 0xe000;
  if (overlong || surrogate || codePoint > 0x10ffff) return other | 1 << 2;
  return classOf(codePoint) | length << 2;
}

/** Where the characters of a class end that begin at `at`. */
function runEnd(bytes: Uint8Array, at: number, end: number, kind: number): number {
  while (at < end) {
    const character = characterAt(bytes, at, end);
    if ((character & 3) !== kind) break;
    at += character >> 2;
  }
  return at;
}

function gpt2WordEnd(bytes: Uint8Array, start: number, end: number): number {
  if (bytes[start] === apostrophe) {
    const length = contractionLength(bytes, start, end, false);
    if (length > 0) return start + length;
  }
  let at = start, character = characterAt(bytes, start, end);
  if (bytes[start] === blank && start + 1 < end) {
    const next = characterAt(bytes, start + 1, end);
    if ((next & 3) !== space) [at, character] = [start + 1, next];
  }
  const kind = character & 3;
  return kind === space ? whitespaceEnd(bytes, start, end, false) : runEnd(bytes, at + (character >> 2), end, kind);
}

function cl100kWordEnd(bytes: Uint8Array, start: number, end: number): number {
  const first = bytes[start];
  if (first === apostrophe) {
    const length = contractionLength(bytes, start, end, true);
    if (length > 0) return start + length;
  }
  const character = characterAt(bytes, start, end), kind = character & 3, second = start + (character >> 2);
  if (kind === letter) return runEnd(bytes, second, end, letter);
  if (kind === number) return numberEnd(bytes, second, end);
  if (first === lineFeed || first === carriageReturn) return whitespaceEnd(bytes, start, end, true);
  const next = second < end ? characterAt(bytes, second, end) : space;
  if ((next & 3) === letter) return runEnd(bytes, second + (next >> 2), end, letter);
  if (kind === space && (first !== blank || (next & 3) !== other)) return whitespaceEnd(bytes, start, end, true);
  let at = runEnd(bytes, second, end, other);
  while (at < end && (bytes[at] === lineFeed || bytes[at] === carriageReturn)) at++;
  return at;
}

/** The end of up to three numbers, of which the first is before `at`. */
function numberEnd(bytes: Uint8Array, at: number, end: number): number {
  for (let count = 1; count < 3 && at < end; count++) {
    const character = characterAt(bytes, at, end);
    if ((character & 3) !== number) break;
    at += character >> 2;
  }
  return at;
}

/** `\s+(?!\S)|\s+`, and before them `\s*[\r\n]+` where `lines`: the last whitespace before a word belongs to the word. */
function whitespaceEnd(bytes: Uint8Array, start: number, end: number, lines: boolean): number {
  let at = start, last = start, lineEnd = 0;
  while (at < end) {
    const character = characterAt(bytes, at, end);
    if ((character & 3) !== space) break;
    last = at;
    at += character >> 2;
    if (bytes[last] === lineFeed || bytes[last] === carriageReturn) lineEnd = at;
  }
  if (lines && lineEnd > 0) return lineEnd;
  return at === end || last === start ? at : last;
}

/** Bytes of 's, 't, 're, 've, 'm, 'll or 'd at an apostrophe, in any case where `fold`; 0 where there is none. */
function contractionLength(bytes: Uint8Array, at: number, end: number, fold: boolean): number {
  if (at + 1 >= end) return 0;
  const mask = fold ? 0x20 : 0, first = bytes[at + 1] | mask, second = at + 2 < end ? bytes[at + 2] | mask : 0;
  switch (String.fromCharCode(first)) {
    case "s":
    case "t":
    case "m":
    case "d":
      return 2;
    case "r":
    case "v":
      return second === 0x65 ? 3 : 0;
    case "l":
      return second === 0x6c ? 3 : 0;
  }
  const longS = fold && bytes[at + 1] === 0xc5 && at + 2 < end && bytes[at + 2] === 0xbf; // ſ is another case of s
  return longS ? 3 : 0;
}
