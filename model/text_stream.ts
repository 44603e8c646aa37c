import { StopStrings } from "./stop_strings.ts";
import { StreamingDecoder } from "./streaming_decoder.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** Why a text ended: all tokens were drawn, a stop string was reached, or the token that ends a document. */
export type FinishReason = "length" | "stop" | "end_of_text";

/** How the end of a text is known. */
export interface EndOptions {
  /** Strings that end the text; they are not given out, nor what follows. Default: none. */
  readonly stop?: readonly string[];
  /** Whether the token that ends a document ends the text, where the tokenizer has one. Default: yes. */
  readonly stopAtEndOfText?: boolean;
}

/**
 * Tokens as text, as they come: whole characters, nothing of a stop string, and why it ends.
 *
 * @example
 * ```ts
 * import { CharTokenizer } from "./char_tokenizer.ts";
 * import { TextStream } from "./text_stream.ts";
 * const stream = new TextStream(CharTokenizer.fromText("abc"), { stop: ["bc"] });
 * console.log(stream.push(0).text, stream.push(1).text, stream.push(2).finish); // "a", "", "stop"
 * ```
 */
export class TextStream {
  #decoder: StreamingDecoder;
  #stop: StopStrings;
  #ending: number | undefined;

  /** A stream at its beginning. */
  constructor(tokenizer: Tokenizer, options: EndOptions = {}) {
    this.#decoder = new StreamingDecoder(tokenizer);
    this.#stop = new StopStrings(options.stop ?? []);
    this.#ending = options.stopAtEndOfText === false ? undefined : tokenizer.endOfText;
  }

  /** The text that a token adds, and why the text ends with it, if it does; after the `last` one nothing is held back. */
  push(id: number, last = false): { text: string; finish?: FinishReason } {
    let text = "", finish: FinishReason | undefined = last ? "length" : undefined;
    if (id === this.#ending) finish = "end_of_text";
    else {
      const passed = this.#stop.push(this.#decoder.push(id));
      if (passed.stopped) return { text: passed.text, finish: "stop" };
      text = passed.text;
    }
    if (finish === undefined) return { text };
    const rest = this.#stop.push(this.#decoder.end());
    return { text: text + rest.text + (rest.stopped ? "" : this.#stop.end()), finish };
  }
}
