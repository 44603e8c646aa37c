import { type WordPatternName, wordPatterns } from "../model/word_pattern.ts";
import { WordCounts } from "./word_counts.ts";

/** What `countWords` asks of a thread: to begin, to count texts, and to hand over its counts. */
export type CountRequest =
  | { readonly pattern: WordPatternName }
  | { readonly texts: readonly string[] }
  | { readonly finish: true };

const encoder = new TextEncoder();

/** Cuts texts into words and counts them. */
export class WordCounter {
  /** What was counted. */
  readonly words = new WordCounts();
  #pattern: WordPatternName;

  /** A counter that has seen nothing. */
  constructor(pattern: WordPatternName) {
    this.#pattern = pattern;
  }

  /** Counts the words of a text. */
  count(text: string): void {
    const bytes = encoder.encode(text), { wordEnd } = wordPatterns[this.#pattern];
    for (let start = 0, end = 0; start < bytes.length; start = end) {
      end = wordEnd(bytes, start, bytes.length);
      this.words.add(bytes, start, end);
    }
  }
}
