import type { StageDefinition } from "./stage.ts";
import { mix32, type Words } from "./word_scanner.ts";

const share = (value: number, help: string) => ({ type: "real", default: value, min: 0, max: 1, help } as const);

/** Options of the stage `gopher_repetition`. */
export const gopherRepetitionOptions = {
  max_duplicate_lines: share(0.3, "largest share of lines that repeat an earlier one"),
  max_duplicate_line_characters: share(0.2, "largest share of characters in such lines"),
  max_duplicate_paragraphs: share(0.3, "largest share of paragraphs that repeat an earlier one"),
  max_duplicate_paragraph_characters: share(0.2, "largest share of characters in such paragraphs"),
  max_top_2_gram: share(0.2, "largest share of characters in the most frequent pair of words"),
  max_top_3_gram: share(0.18, "the same for 3 words"),
  max_top_4_gram: share(0.16, "the same for 4 words"),
  max_duplicate_5_grams: share(0.15, "largest share of characters in sequences of 5 words that occurred before"),
  max_duplicate_6_grams: share(0.14, "the same for 6 words"),
  max_duplicate_7_grams: share(0.13, "the same for 7 words"),
  max_duplicate_8_grams: share(0.12, "the same for 8 words"),
  max_duplicate_9_grams: share(0.11, "the same for 9 words"),
  max_duplicate_10_grams: share(0.1, "the same for 10 words"),
} as const;

/**
 * Drops texts that repeat themselves, by the rules of Gopher's MassiveText (Rae et al., "Scaling Language Models",
 * 2021, table A1). A line, paragraph or sequence of words is a duplicate from its second occurrence on; no character
 * counts twice within a rule. Words are compared without case and punctuation, and characters are those of words.
 */
export const gopherRepetition: StageDefinition<typeof gopherRepetitionOptions> = {
  help: "drops by Gopher's rules for repeated lines, paragraphs and sequences of words",
  options: gopherRepetitionOptions,
  prepare(options) {
    const tops = [options.max_top_2_gram, options.max_top_3_gram, options.max_top_4_gram];
    const duplicates = [
      options.max_duplicate_5_grams,
      options.max_duplicate_6_grams,
      options.max_duplicate_7_grams,
      options.max_duplicate_8_grams,
      options.max_duplicate_9_grams,
      options.max_duplicate_10_grams,
    ];
    // a duplicate n-gram is made of shorter ones: no share grows with n
    const strictest = duplicates.map((_, i) => Math.min(...duplicates.slice(i)));
    const counter = new NGramCounter();
    return (text, scanner) => {
      const paragraphs = duplicateParts(text, "\n\n");
      if (paragraphs.parts > options.max_duplicate_paragraphs) return { dropped: "duplicate paragraphs" };
      if (paragraphs.units > options.max_duplicate_paragraph_characters) {
        return { dropped: "characters in duplicate paragraphs" };
      }
      const lines = duplicateParts(text, "\n");
      if (lines.parts > options.max_duplicate_lines) return { dropped: "duplicate lines" };
      if (lines.units > options.max_duplicate_line_characters) return { dropped: "characters in duplicate lines" };
      const words = scanner.scan(text);
      counter.begin(words);
      for (let n = 2; n <= 10; n++) {
        counter.extend(words, n);
        if (n <= 4 && counter.top(words, n) > tops[n - 2] * words.units) {
          return { dropped: `the most frequent ${n}-gram` };
        }
        if (n < 5) continue;
        const units = counter.duplicates(words, n);
        if (units > duplicates[n - 5] * words.units) return { dropped: `duplicate ${n}-grams` };
        if (units <= strictest[n - 5] * words.units) break;
      }
      return { text };
    };
  },
};

/** Shares of the parts, and of their UTF-16 units, that repeat an earlier part. */
function duplicateParts(text: string, separator: string): { parts: number; units: number } {
  const seen = new Set<string>();
  let parts = 0, units = 0, repeatedParts = 0, repeatedUnits = 0;
  for (let start = 0; start < text.length;) {
    const next = text.indexOf(separator, start), end = next < 0 ? text.length : next;
    const part = text.slice(start, end).trim();
    if (part !== "") {
      parts++;
      units += part.length;
      if (seen.has(part)) {
        repeatedParts++;
        repeatedUnits += part.length;
      } else seen.add(part);
    }
    start = end + separator.length;
  }
  return parts === 0 ? { parts: 0, units: 0 } : { parts: repeatedParts / parts, units: repeatedUnits / units };
}

/** Counts sequences of words by 32-bit hashes, in tables that are made once. */
class NGramCounter {
  #hashes = new Int32Array(1024);
  #keys = new Int32Array(2048);
  #counts = new Int32Array(2048);
  #mask = 0;

  /** Starts with sequences of one word. */
  begin(words: Words): void {
    if (words.count > this.#hashes.length) {
      let size = this.#hashes.length;
      while (size < words.count) size *= 2;
      this.#hashes = new Int32Array(size);
      this.#keys = new Int32Array(2 * size);
      this.#counts = new Int32Array(2 * size);
    }
    let size = 64;
    while (size < 2 * words.count) size *= 2;
    this.#mask = size - 1;
    for (let i = 0; i < words.count; i++) this.#hashes[i] = words.low[i];
  }

  /** Goes on from sequences of n − 1 words to those of n. */
  extend(words: Words, n: number): void {
    const hashes = this.#hashes;
    for (let i = 0; i + n <= words.count; i++) {
      hashes[i] = mix32(Math.imul(hashes[i], 0x9e3779b1) + words.high[i + n - 1]);
    }
  }

  /** Characters in all occurrences of the most frequent sequence, 0 when each occurs once. */
  top(words: Words, n: number): number {
    this.#counts.fill(0, 0, this.#mask + 1);
    let most = 1, best = 0;
    for (let i = 0; i + n <= words.count; i++) {
      const count = this.#add(this.#hashes[i]);
      if (count < most || count === 1) continue;
      let units = 0;
      for (let j = i; j < i + n; j++) units += words.ends[j] - words.starts[j];
      best = count > most ? count * units : Math.max(best, count * units); // of equally frequent ones the longest
      most = count;
    }
    // overlapping occurrences ("a a a") share characters
    return Math.min(best, words.units);
  }

  /** Characters in sequences that occurred before, each once. */
  duplicates(words: Words, n: number): number {
    this.#counts.fill(0, 0, this.#mask + 1);
    let units = 0, counted = 0; // words before `counted` are in the sum
    for (let i = 0; i + n <= words.count; i++) {
      if (this.#add(this.#hashes[i]) === 1) continue;
      for (let j = Math.max(i, counted); j < i + n; j++) units += words.ends[j] - words.starts[j];
      counted = i + n;
    }
    return units;
  }

  /** Counts a hash, and returns how often it has come. */
  #add(hash: number): number {
    const mask = this.#mask, keys = this.#keys, counts = this.#counts;
    let slot = hash & mask;
    while (counts[slot] !== 0 && keys[slot] !== hash) slot = slot + 1 & mask;
    keys[slot] = hash;
    return ++counts[slot];
  }
}
