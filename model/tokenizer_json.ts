import { WeftError } from "../engine/weft_error.ts";
import { type AddedToken, type BpeDefinition, splitMerge } from "./bpe_definition.ts";
import { type WordPatternName, wordPatterns } from "./word_pattern.ts";

/** A Hugging Face `tokenizer.json`, as far as byte-level BPE needs it. */
export interface TokenizerJson {
  /** Version of the format. */
  readonly version: "1.0";
  /** Not used. */
  readonly truncation: null;
  /** Not used. */
  readonly padding: null;
  /** Tokens outside of the merges. */
  readonly added_tokens: readonly Readonly<Record<string, unknown>>[];
  /** Not used: texts are taken as they are. */
  readonly normalizer: null;
  /** How text is cut into words, and that they are bytes. */
  readonly pre_tokenizer: Readonly<Record<string, unknown>>;
  /** Not used: nothing is added to a text. */
  readonly post_processor: null;
  /** That tokens are bytes. */
  readonly decoder: Readonly<Record<string, unknown>>;
  /** Vocabulary and merges. */
  readonly model: {
    readonly type: "BPE";
    readonly vocab: Readonly<Record<string, number>>;
    readonly merges: readonly (readonly [string, string])[];
    readonly [setting: string]: unknown;
  };
}

/** A `tokenizer.json` is whole, but of a kind that Weft does not have. */
export class UnsupportedTokenizerError extends WeftError {}

type Json = Readonly<Record<string, unknown>>;

/** The file for a definition. Every added token is in the vocabulary, too: so it has its id wherever the file is read. */
export function definitionToJson(definition: BpeDefinition): TokenizerJson {
  const { vocab, merges, pattern, addedTokens, ignoreMerges } = definition;
  const byteLevel = (use_regex: boolean) => ({
    type: "ByteLevel",
    add_prefix_space: false,
    trim_offsets: true,
    use_regex,
  });
  const split = {
    type: "Split",
    pattern: { Regex: wordPatterns[pattern].regex },
    behavior: "Isolated",
    invert: false,
  };
  const entries = [...vocab, ...addedTokens.map(({ content, id }): [string, number] => [content, id])];
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: addedTokens.toSorted((a, b) => a.id - b.id).map(({ id, content, special }) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special,
    })),
    normalizer: null,
    pre_tokenizer: pattern === "gpt2"
      ? byteLevel(true)
      : { type: "Sequence", pretokenizers: [split, byteLevel(false)] },
    post_processor: null,
    decoder: byteLevel(true),
    model: bpeModel(Object.fromEntries(entries.sort((a, b) => a[1] - b[1])), merges, ignoreMerges),
  };
}

/** The part `model` of a `tokenizer.json` with all of its settings. */
export function bpeModel(
  vocab: Readonly<Record<string, number>>,
  merges: TokenizerJson["model"]["merges"],
  ignoreMerges: boolean,
): TokenizerJson["model"] {
  return {
    type: "BPE",
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: ignoreMerges,
    vocab,
    merges,
  };
}

/**
 * The definition that a file holds.
 *
 * @throws {WeftError} at whatever would make Hugging Face's library encode a text otherwise than Weft would.
 */
export function definitionFromJson(value: unknown): BpeDefinition {
  const file = asObject(value, "it");
  for (const name of ["truncation", "padding"]) if (file[name] != null) throw unsupported(name, file[name]);
  checkNormalizer(file.normalizer);
  checkPostProcessor(file.post_processor);
  const decoder = asObject(file.decoder, "its decoder");
  if (decoder.type !== "ByteLevel") throw unsupported("decoder", decoder.type);
  const addedTokens = readAddedTokens(file.added_tokens);
  return { ...readModel(file.model, addedTokens), pattern: readPattern(file.pre_tokenizer), addedTokens };
}

function readModel(
  value: unknown,
  addedTokens: readonly AddedToken[],
): Pick<BpeDefinition, "vocab" | "merges" | "ignoreMerges"> {
  const model = asObject(value, "its model");
  // Files from before 2020 have no type, and only BPE has merges.
  if (model.type !== "BPE" && !(model.type === undefined && Array.isArray(model.merges))) {
    throw unsupported("model", model.type);
  }
  for (const name of ["dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"]) {
    if (model[name]) throw unsupported(`model.${name}`, model[name]); // null, false, 0 and "" change nothing
  }
  const vocab = new Map<string, number>();
  for (const [token, id] of Object.entries(asObject(model.vocab, "the vocabulary of its model"))) {
    if (typeof id !== "number") throw damaged(`the id of the token ${JSON.stringify(token)} is ${JSON.stringify(id)}`);
    vocab.set(token, id);
  }
  for (const { content, id } of addedTokens) {
    const other = vocab.get(content);
    if (other !== undefined && other !== id) {
      throw damaged(`the added token ${JSON.stringify(content)} is ${id} there and ${other} in the vocabulary`);
    }
    vocab.delete(content);
  }
  if (!Array.isArray(model.merges)) throw damaged("its model has no list of merges");
  const merges = model.merges.map((merge: unknown): [string, string] => {
    if (typeof merge === "string") return splitMerge(merge);
    if (Array.isArray(merge) && merge.length === 2 && merge.every((token) => typeof token === "string")) {
      return [merge[0], merge[1]];
    }
    throw damaged(`${JSON.stringify(merge)} is no merge`);
  });
  return { vocab, merges, ignoreMerges: model.ignore_merges === true };
}

function readAddedTokens(value: unknown): AddedToken[] {
  if (value != null && !Array.isArray(value)) throw damaged("its added_tokens are no list");
  return ((value ?? []) as unknown[]).map((entry) => {
    const token = asObject(entry, "an added token"), { id, content, special } = token;
    if (typeof id !== "number" || typeof content !== "string" || content === "") {
      throw damaged(`the added token ${JSON.stringify(entry)} needs an id and a content`);
    }
    for (const name of ["single_word", "lstrip", "rstrip"]) {
      if (token[name]) throw unsupported(`${name} of ${JSON.stringify(content)}`, token[name]);
    }
    return { id, content, special: special === true };
  });
}

/** Which pattern the pre-tokenizer is. */
function readPattern(value: unknown): WordPatternName {
  const whole = asObject(value, "its pre_tokenizer"), { type, pretokenizers } = whole;
  const steps = type === "Sequence" && Array.isArray(pretokenizers)
    ? pretokenizers.map((step) => asObject(step, "a step of its pre_tokenizer"))
    : [whole];
  const byteLevel = steps.at(-1);
  if (byteLevel?.type !== "ByteLevel") throw unsupported("pre_tokenizer", byteLevel?.type);
  if (byteLevel.add_prefix_space) throw unsupported("pre_tokenizer.add_prefix_space", true);
  const usesRegex = byteLevel.use_regex !== false;
  if (steps.length === 1) {
    if (!usesRegex) throw unsupported("pre_tokenizer", "ByteLevel with no pattern");
    return "gpt2";
  }
  const [split] = steps;
  if (steps.length > 2 || usesRegex || split.type !== "Split") {
    throw unsupported("pre_tokenizer", steps.map(({ type }) => type).join(" + "));
  }
  // The patterns match all of a text: taking the matches, or what is between matches and the matches, is the same.
  const behavior = `${split.behavior} with invert ${split.invert}`;
  if (!["Isolated with invert false", "Isolated with invert true", "Removed with invert true"].includes(behavior)) {
    throw unsupported("pre_tokenizer Split", behavior);
  }
  const regex = (split.pattern as Json | undefined)?.Regex;
  for (const name of ["gpt2", "cl100k"] as const) if (regex === wordPatterns[name].regex) return name;
  throw unsupported("pattern of the pre_tokenizer", split.pattern);
}

function checkNormalizer(value: unknown): void {
  if (value == null) return;
  const { type, normalizers } = asObject(value, "its normalizer");
  if (type !== "Sequence" || !Array.isArray(normalizers)) throw unsupported("normalizer", type);
  normalizers.forEach(checkNormalizer);
}

/** ByteLevel only moves offsets; a template may name the text alone. */
function checkPostProcessor(value: unknown): void {
  if (value == null) return;
  const { type, processors, single } = asObject(value, "its post_processor");
  if (type === "ByteLevel") return;
  if (type === "Sequence" && Array.isArray(processors)) return processors.forEach(checkPostProcessor);
  if (type === "TemplateProcessing" && Array.isArray(single)) {
    const added = single.find((piece) => asObject(piece, "a piece of a template").SpecialToken !== undefined);
    if (added === undefined) return;
    throw unsupported("post_processor", `TemplateProcessing that adds ${JSON.stringify(added.SpecialToken?.id)}`);
  }
  throw unsupported("post_processor", type);
}

function asObject(value: unknown, what: string): Json {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Json;
  throw damaged(`${what} is no object`);
}

function damaged(what: string): WeftError {
  return new WeftError(`The tokenizer.json is damaged: ${what}`);
}

function unsupported(part: string, value: unknown): UnsupportedTokenizerError {
  const shown = typeof value === "string" ? value : JSON.stringify(value);
  return new UnsupportedTokenizerError(
    `Weft cannot follow this tokenizer.json: its ${part} is ${shown}; it reads byte-level BPE with the patterns of ` +
      `GPT-2 and cl100k, and adds nothing`,
  );
}
