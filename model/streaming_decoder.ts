import type { Tokenizer } from "./tokenizer.ts";

/**
 * Decodes ids as they come. A character whose bytes are spread over tokens comes with the last of them, so that every
 * piece is whole characters and all pieces together are the text that `decode` gives.
 *
 * @example
 * ```ts
 * import { BpeTokenizer } from "./bpe_tokenizer.ts";
 * import { StreamingDecoder } from "./streaming_decoder.ts";
 * const bytes = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte));
 * const decoder = new StreamingDecoder(BpeTokenizer.fromRanks(bytes, { pattern: "gpt2" }));
 * console.log(decoder.push(0xc3) === "", decoder.push(0xa9), decoder.end() === ""); // true é true
 * ```
 */
export class StreamingDecoder {
  #tokenizer: Tokenizer;
  #decoder = new TextDecoder("utf-8", { ignoreBOM: true });

  /** A decoder at the beginning of a text. */
  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
  }

  /** The text that an id completes. */
  push(id: number): string {
    const bytes = this.#tokenizer.decodeBytes?.([id]);
    return bytes === undefined ? this.#tokenizer.decode([id]) : this.#decoder.decode(bytes, { stream: true });
  }

  /** U+FFFD where the text ends within a character, else nothing. The decoder is at the beginning again. */
  end(): string {
    return this.#decoder.decode();
  }
}
