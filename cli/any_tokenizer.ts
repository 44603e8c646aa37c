import type { Tokenizer as HuggingFace } from "@huggingface/tokenizers";
import { WeftError } from "../engine/weft_error.ts";
import type { Tokenizer } from "../model/tokenizer.ts";
import { UnsupportedTokenizerError } from "../model/tokenizer_json.ts";
import { loadTokenizer } from "../train/tokenizer_file.ts";

/**
 * Reads a tokenizer as `loadTokenizer` does, and a `tokenizer.json` of another kind with Hugging Face's own library,
 * which is about a hundredth as fast. Of its kinds only BPE and Unigram are taken: they encode as Hugging Face's library
 * in Rust does but for U+0085 and U+FEFF, which it holds for whitespace as JavaScript does; WordPiece does not.
 *
 * @throws {WeftError} when there is none, or nothing here reads it.
 */
export async function loadAnyTokenizer(path: string): Promise<Tokenizer> {
  try {
    return await loadTokenizer(path);
  } catch (error) {
    if (!(error instanceof UnsupportedTokenizerError)) throw error;
    const isFolder = (await Deno.stat(path)).isDirectory;
    const file = JSON.parse(await Deno.readTextFile(isFolder ? `${path}/tokenizer.json` : path));
    if (!["BPE", "Unigram"].includes(file.model.type)) throw error;
    const { Tokenizer } = await import("@huggingface/tokenizers");
    try {
      return new ForeignTokenizer(file, new Tokenizer(file, {}));
    } catch {
      throw error; // it does not know the kind either: what Weft said of the file stands
    }
  }
}

/** A tokenizer of Hugging Face's library; nothing is added to texts. */
class ForeignTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly endOfText?: number;
  #file: unknown;
  #tokenizer: HuggingFace;

  constructor(file: unknown, tokenizer: HuggingFace) {
    this.#file = file;
    this.#tokenizer = tokenizer;
    this.vocabSize = [...tokenizer.get_vocab().values()].reduce((most, id) => Math.max(most, id + 1), 0);
    this.endOfText = tokenizer.token_to_id("<|endoftext|>");
  }

  encode(text: string): Int32Array<ArrayBuffer> {
    const { ids, tokens } = this.#tokenizer.encode(text, { add_special_tokens: false });
    const unknown = ids.findIndex((id) => id === undefined);
    if (unknown >= 0) throw new WeftError(`The tokenizer has no token for ${JSON.stringify(tokens[unknown])}`);
    return Int32Array.from(ids);
  }

  decode(ids: ArrayLike<number>): string {
    if (ids.length === 0) return "";
    return this.#tokenizer.decode(Array.from(ids), { clean_up_tokenization_spaces: false });
  }

  toJSON(): unknown {
    return this.#file;
  }
}
