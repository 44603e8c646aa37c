import type { StageDefinition } from "./stage.ts";

/** Options of the stage `near_duplicates`. */
export const nearDuplicatesOptions = {
  bands: { type: "int", default: 20, min: 1, max: 256, help: "bands of a signature" },
  rows: { type: "int", default: 8, min: 1, max: 64, help: "hash values of a band" },
  words: { type: "int", default: 5, min: 1, help: "words of the sequences that are compared" },
  similarity: {
    type: "real",
    default: 0.72,
    min: 0,
    max: 1,
    help: "least estimated Jaccard similarity of a near duplicate; 0 takes all that agree in a band",
  },
} as const;

/** The stages that look at the whole corpus, once its texts are clean. */
export const corpusStages: Readonly<Record<string, Pick<StageDefinition, "help" | "options">>> = {
  exact_duplicates: { help: "drops a text that came before, but for case and white space", options: {} },
  near_duplicates: {
    help: "keeps the first of texts that share most of their sequences of words (MinHash, LSH)",
    options: nearDuplicatesOptions,
  },
};
