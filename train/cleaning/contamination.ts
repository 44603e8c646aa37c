import type { StageDefinition } from "./stage.ts";
import { compact, WordSequences, wordsOf } from "./word_sequences.ts";

/** Options of the stage `contamination`. */
export const contaminationOptions = {
  texts: { type: "list", default: [], help: "the evaluation texts" },
  words: { type: "int", default: 13, min: 1, help: "length of the sequences of words that must not be shared" },
} as const;

/**
 * Drops texts that share a sequence of words with evaluation texts, as GPT-3's filter did with 13 words (Brown et al.,
 * "Language Models are Few-Shot Learners", 2020, appendix C). Case and punctuation do not count. An evaluation text
 * that is shorter than a sequence is not looked for: it would be found in texts that only happen to have it.
 */
export const contamination: StageDefinition<typeof contaminationOptions> = {
  help: "drops texts that share a sequence of words with evaluation texts",
  options: contaminationOptions,
  prepare({ texts, words: length }) {
    const known = new WordSequences();
    for (const text of texts) {
      const words = wordsOf(text);
      for (let at = 0; at + length <= words.count; at++) known.add(words, at, length);
    }
    return (text, scanner) => {
      if (texts.length === 0) return { text };
      let found = false;
      known.find(compact(scanner.scan(text)), () => found = true);
      return found ? { dropped: `${length} words of an evaluation text` } : { text };
    };
  },
};
