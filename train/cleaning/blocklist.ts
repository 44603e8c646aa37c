import type { StageDefinition } from "./stage.ts";
import { compact, WordSequences, wordsOf } from "./word_sequences.ts";

/** Options of the stage `blocklist`. */
export const blocklistOptions = {
  words: { type: "list", default: [], help: "words and phrases; case and punctuation do not count" },
  action: { type: "string", choices: ["drop", "mask"], default: "drop", help: "what happens to a text that has one" },
  max_found: { type: "int", default: 0, min: 0, help: "how many a text may have before it is dropped" },
  mask: { type: "string", default: "<BLOCKED>", help: "what takes their place" },
} as const;

/** Drops texts with words or phrases of a list, or masks these. Words count whole: "ass" is not in "grass". */
export const blocklist: StageDefinition<typeof blocklistOptions> = {
  help: "drops texts with words or phrases of a list, or masks these",
  options: blocklistOptions,
  prepare({ words: phrases, action, max_found, mask }) {
    const blocked = new WordSequences();
    for (const phrase of phrases) {
      const words = wordsOf(phrase);
      if (words.count > 0) blocked.add(words, 0, words.count);
    }
    return (text, scanner) => {
      if (phrases.length === 0) return { text };
      const scan = scanner.scan(text), words = compact(scan), found: { start: number; end: number }[] = [];
      blocked.find(words, (at, length) => {
        const { start, end } = core(text, scan.starts[words.indices[at]], scan.ends[words.indices[at + length - 1]]);
        found.push({ start, end });
        return action === "drop" && found.length > max_found;
      });
      if (found.length === 0) return { text };
      if (action === "drop") return found.length > max_found ? { dropped: "a blocked word" } : { text };
      found.sort((a, b) => a.start - b.start || b.end - a.end);
      let result = "", copied = 0, count = 0;
      for (const { start, end } of found) {
        if (start < copied) continue; // within a longer one
        result += text.slice(copied, start) + mask;
        copied = end;
        count++;
      }
      return { text: result + text.slice(copied), counts: { blocked: count } };
    };
  },
};

const sign = /[\p{L}\p{M}\p{N}]/u;

/** A stretch without the punctuation at its ends. */
function core(text: string, start: number, end: number): { start: number; end: number } {
  while (start < end && !sign.test(text[start])) start++;
  while (end > start && !sign.test(text[end - 1])) end--;
  return { start, end };
}
