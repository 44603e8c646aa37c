import { bpeModel, type TokenizerJson } from "./tokenizer_json.ts";

/**
 * A Hugging Face `tokenizer.json` that cuts text into characters as a `CharTokenizer` does: BPE over characters without
 * a merge. Characters that it does not know are left out there, where Weft stops.
 */
export function charTokenizerToJson(characters: readonly string[]): TokenizerJson {
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: { type: "Split", pattern: { Regex: "[\\s\\S]" }, behavior: "Isolated", invert: false },
    post_processor: null,
    decoder: { type: "Fuse" },
    model: bpeModel(Object.fromEntries(characters.map((character, id) => [character, id])), [], false),
  };
}

/** The characters by id of what `charTokenizerToJson` gave; undefined for anything else. */
export function charactersFromJson(value: unknown): readonly string[] | undefined {
  const { decoder, model } = (value ?? {}) as { decoder?: { type?: unknown }; model?: Record<string, unknown> };
  const isOurs = decoder?.type === "Fuse" && Array.isArray(model?.merges) && model.merges.length === 0;
  if (!isOurs || typeof model?.vocab !== "object" || model.vocab === null) return undefined;
  const entries = Object.entries(model.vocab).sort((a, b) => a[1] - b[1]);
  const areCharacters = entries.every(([token, id], i) => id === i && [...token].length === 1);
  return areCharacters && entries.length > 0 ? entries.map(([token]) => token) : undefined;
}
