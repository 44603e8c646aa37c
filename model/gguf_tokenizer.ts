import { WeftError } from "../engine/weft_error.ts";
import { BpeTokenizer } from "./bpe_tokenizer.ts";
import { byteCharacters } from "./byte_alphabet.ts";
import { CharTokenizer } from "./char_tokenizer.ts";
import type { GgufValue } from "./gguf.ts";
import type { Tokenizer } from "./tokenizer.ts";

// llama.cpp's kinds of tokens.
const normal = 1, control = 3, userDefined = 4, unused = 5;

/**
 * A tokenizer as llama.cpp's metadata describe it, with as many tokens as the model has: ids that the tokenizer does
 * without are named as unused.
 *
 * @throws {WeftError} when it has more tokens than the model, or is of a kind that llama.cpp has not, such as one of
 * characters that are not all ASCII.
 */
export function ggufTokenizer(tokenizer: Tokenizer, vocabSize: number): Record<string, GgufValue> {
  if (tokenizer.vocabSize > vocabSize) {
    throw new WeftError(`The tokenizer has ${tokenizer.vocabSize} tokens and the model ${vocabSize}: they do not fit`);
  }
  if (tokenizer instanceof BpeTokenizer) return bpe(tokenizer, vocabSize);
  if (tokenizer instanceof CharTokenizer) return characters(tokenizer, vocabSize);
  throw new WeftError("llama.cpp has no tokenizer like this one: it must be byte-level BPE or of characters");
}

function bpe(tokenizer: BpeTokenizer, vocabSize: number): Record<string, GgufValue> {
  const { model } = tokenizer.toJSON(), tokens = placeholders(vocabSize);
  const types = new Array<number>(vocabSize).fill(unused);
  for (const [token, id] of Object.entries(model.vocab)) [tokens[id], types[id]] = [token, normal];
  for (const { id, special } of tokenizer.addedTokens) types[id] = special ? control : userDefined;
  const ignoresMerges = model.ignore_merges === true;
  // Where no end is named, llama.cpp ends texts at token 11. The byte FF is in no text.
  const end = tokenizer.endOfText ?? model.vocab[byteCharacters[0xff]];
  return {
    "tokenizer.ggml.model": "gpt2",
    // How words are cut: GPT-4's way has several names, of which llama-bpe takes whole words before it merges.
    "tokenizer.ggml.pre": tokenizer.pattern === "gpt2" ? "gpt-2" : ignoresMerges ? "llama-bpe" : "dbrx",
    "tokenizer.ggml.tokens": { strings: tokens },
    "tokenizer.ggml.token_type": { i32s: types },
    "tokenizer.ggml.merges": { strings: model.merges.map(([left, right]) => `${left} ${right}`) },
    "tokenizer.ggml.bos_token_id": { u32: end },
    "tokenizer.ggml.eos_token_id": { u32: end },
    "tokenizer.ggml.add_bos_token": false,
  };
}

/**
 * RWKV's tokenizer takes the longest token that the text goes on with, and is the only one of llama.cpp that ends texts at
 * no token. With tokens of one byte it is a tokenizer of characters; at an unknown one it gives no token. With longer ones
 * it would never come to an end where a text has half of one.
 */
function characters(tokenizer: CharTokenizer, vocabSize: number): Record<string, GgufValue> {
  const longer = tokenizer.characters.find((character) => character > "\x7f");
  if (longer !== undefined) {
    const shown = JSON.stringify(longer);
    throw new WeftError(
      `llama.cpp has no tokenizer of characters past ASCII, such as ${shown}: take byte-level BPE, or export to onnx`,
    );
  }
  const tokens = placeholders(vocabSize, "\\xff"); // an escape for a byte that is in no text
  for (const [id, character] of tokenizer.characters.entries()) tokens[id] = character === "\\" ? "\\\\" : character;
  return {
    "tokenizer.ggml.model": "rwkv",
    "tokenizer.ggml.tokens": { strings: tokens },
    "tokenizer.ggml.token_type": { i32s: tokens.map((_, id) => id < tokenizer.vocabSize ? normal : unused) },
    "tokenizer.ggml.add_bos_token": false,
  };
}

function placeholders(count: number, prefix = ""): string[] {
  return Array.from({ length: count }, (_, id) => `${prefix}[PAD${id}]`);
}
