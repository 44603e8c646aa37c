import { Tokenizer } from "@huggingface/tokenizers";
import type { TokenizerJson } from "../model/tokenizer_json.ts";

/** Where Hugging Face's JavaScript is not its Rust: whitespace is JavaScript's, and ſ no other case of s. */
export const otherwiseInJavaScript = /[\x85\ufeff\u017f]/g;

/** Hugging Face's tokenizer of a file, which has been a file: what JSON cannot hold is gone. */
export function huggingFace(file: TokenizerJson): Tokenizer {
  return new Tokenizer(JSON.parse(JSON.stringify(file)), { clean_up_tokenization_spaces: false });
}
