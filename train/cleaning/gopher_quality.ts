import { LETTER } from "./char_classes.ts";
import type { StageDefinition } from "./stage.ts";
import { WordScanner } from "./word_scanner.ts";

/** Options of the stage `gopher_quality`. */
export const gopherQualityOptions = {
  min_words: { type: "int", default: 50, min: 0, help: "fewest words" },
  max_words: { type: "int", default: 100_000, min: 1, help: "most words" },
  min_mean_word_length: { type: "real", default: 3, min: 0, help: "smallest mean length of a word, in characters" },
  max_mean_word_length: { type: "real", default: 10, min: 0, help: "largest mean length of a word, in characters" },
  max_symbol_ratio: { type: "real", default: 0.1, min: 0, help: "most # signs, or ellipses, per word" },
  max_bullet_lines: { type: "real", default: 0.9, min: 0, max: 1, help: "largest share of lines with a bullet" },
  max_ellipsis_lines: {
    type: "real",
    default: 0.3,
    min: 0,
    max: 1,
    help: "largest share of lines that end with an ellipsis",
  },
  min_alphabetic_words: { type: "real", default: 0.8, min: 0, max: 1, help: "smallest share of words with a letter" },
  min_stop_words: { type: "int", default: 2, min: 0, help: "how many of the stop words must occur" },
  stop_words: {
    type: "list",
    default: ["the", "be", "to", "of", "and", "that", "have", "with"],
    help: "the stop words; the default is English",
  },
} as const;

/**
 * Drops what does not look like prose, by the rules of Gopher's MassiveText (Rae et al., "Scaling Language Models",
 * 2021, appendix A.1.1). Words are what white space separates.
 */
export const gopherQuality: StageDefinition<typeof gopherQualityOptions> = {
  help: "drops by Gopher's rules: words, their length, symbols, bullets, ellipses, letters, stop words",
  options: gopherQualityOptions,
  prepare(options) {
    const stopWords = new Map<number, number>(); // numbers of the stop words, by hash
    for (const [i, word] of options.stop_words.entries()) stopWords.set(new WordScanner().scan(word).low[0], i);
    return (text, scanner) => {
      const { count, units, low, kinds } = scanner.scan(text);
      if (count < options.min_words) return { dropped: `fewer than ${options.min_words} words` };
      if (count > options.max_words) return { dropped: `more than ${options.max_words} words` };
      if (units < options.min_mean_word_length * count) return { dropped: "words are too short on average" };
      if (units > options.max_mean_word_length * count) return { dropped: "words are too long on average" };
      if (countOf(text, "#") > options.max_symbol_ratio * count) return { dropped: "too many # signs" };
      if (countOf(text, "...") + countOf(text, "…") > options.max_symbol_ratio * count) {
        return { dropped: "too many ellipses" };
      }
      const { lines, bullets, ellipses } = countLines(text);
      if (bullets > options.max_bullet_lines * lines) return { dropped: "too many lines with a bullet" };
      if (ellipses > options.max_ellipsis_lines * lines) {
        return { dropped: "too many lines that end with an ellipsis" };
      }
      let alphabetic = 0;
      const seen = new Set<number>();
      for (let i = 0; i < count; i++) {
        if ((kinds[i] & LETTER) !== 0) alphabetic++;
        if (seen.size >= options.min_stop_words) continue;
        const stopWord = stopWords.get(low[i]);
        if (stopWord !== undefined) seen.add(stopWord);
      }
      if (alphabetic < options.min_alphabetic_words * count) return { dropped: "too few words with a letter" };
      if (seen.size < options.min_stop_words) {
        return { dropped: `fewer than ${options.min_stop_words} of the stop words` };
      }
      return { text };
    };
  },
};

function countOf(text: string, part: string): number {
  let count = 0;
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length)) count++;
  return count;
}

const bulletSigns = "-*•‣◦▪●○–·";

/** Lines that are not blank: how many, how many begin with a bullet, and how many end with an ellipsis. */
function countLines(text: string): { lines: number; bullets: number; ellipses: number } {
  let lines = 0, bullets = 0, ellipses = 0;
  for (let start = 0; start < text.length;) {
    const next = text.indexOf("\n", start), end = next < 0 ? text.length : next;
    let first = start, last = end - 1;
    while (first < end && text.charCodeAt(first) <= 32) first++;
    while (last > first && text.charCodeAt(last) <= 32) last--;
    if (first < end) {
      lines++;
      if (bulletSigns.includes(text[first])) bullets++;
      if (text[last] === "…" || text.endsWith("...", last + 1)) ellipses++;
    }
    start = end + 1;
  }
  return { lines, bullets, ellipses };
}
