import { WeftError } from "../engine/weft_error.ts";
import { charactersFromJson, charTokenizerToJson } from "./char_tokenizer_json.ts";
import type { TokenizerJson } from "./tokenizer_json.ts";

/**
 * One token per character (Unicode code point), numbered in order of code points.
 *
 * @example
 * ```ts
 * import { CharTokenizer } from "./char_tokenizer.ts";
 * const tokenizer = CharTokenizer.fromText("hello");
 * console.log(tokenizer.encode("hole")); // Int32Array [1, 3, 2, 0]
 * console.log(tokenizer.decode([1, 0, 2, 2, 3])); // hello
 * ```
 */
export class CharTokenizer {
  /** The characters, by id. */
  readonly characters: readonly string[];
  #ids: Map<string, number>;

  private constructor(characters: readonly string[]) {
    this.characters = characters;
    this.#ids = new Map(characters.map((character, id) => [character, id]));
  }

  /**
   * A tokenizer for the characters that occur in a text.
   *
   * @throws {WeftError} when the text is empty or has halves of surrogate pairs, which `toJSON` could join into one character.
   */
  static fromText(text: string): CharTokenizer {
    if (text === "") throw new WeftError("Cannot make a tokenizer from an empty text");
    if (!text.isWellFormed()) {
      throw new WeftError("Cannot make a tokenizer from a text with half a surrogate pair: it must be valid Unicode");
    }
    return new CharTokenizer([...new Set(text)].sort((a, b) => a.codePointAt(0)! - b.codePointAt(0)!));
  }

  /**
   * Reads what `toJSON` gave, now or before version 0.4.0: `{ type: "character", characters }`.
   *
   * @throws {WeftError} when it is something else.
   */
  static fromJSON(value: unknown): CharTokenizer {
    const found = charactersFromJson(value);
    if (found !== undefined) return new CharTokenizer(found);
    const { type, characters } = (value ?? {}) as { type?: unknown; characters?: unknown };
    if (type !== "character" || typeof characters !== "string" || characters === "") {
      throw new WeftError(`The tokenizer is damaged: it needs type "character" and a string of characters`);
    }
    const list = [...characters];
    if (new Set(list).size !== list.length) {
      throw new WeftError("The tokenizer is damaged: a character occurs twice");
    }
    return new CharTokenizer(list);
  }

  /** Number of kinds of tokens. */
  get vocabSize(): number {
    return this.characters.length;
  }

  /** What a file holds of it: a Hugging Face `tokenizer.json`, BPE over characters without a merge. */
  toJSON(): TokenizerJson {
    return charTokenizerToJson(this.characters);
  }

  /**
   * The ids of a text's characters.
   *
   * @throws {WeftError} at a character that it does not know, naming it and its place.
   */
  encode(text: string): Int32Array<ArrayBuffer> {
    const ids = new Int32Array(text.length);
    let count = 0, line = 1, column = 1;
    for (const character of text) {
      const id = this.#ids.get(character);
      if (id === undefined) {
        const code = character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0");
        throw new WeftError(
          `Unknown character ${
            JSON.stringify(character)
          } (U+${code}) at line ${line}, column ${column}: the model knows ` +
            `${this.vocabSize} characters, those of the text that it learned`,
        );
      }
      ids[count++] = id;
      if (character === "\n") {
        line++;
        column = 1;
      } else column++;
    }
    return ids.slice(0, count);
  }

  /**
   * The text of ids.
   *
   * @throws {WeftError} when an id is no token's.
   */
  decode(ids: ArrayLike<number>): string {
    let text = "";
    for (let i = 0; i < ids.length; i++) {
      const character = this.characters[ids[i]];
      if (character === undefined) {
        throw new WeftError(
          `Cannot decode the id ${ids[i]} at place ${i}: ids go from 0 to ${this.vocabSize - 1}`,
        );
      }
      text += character;
    }
    return text;
  }
}
