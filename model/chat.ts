import { type GeneratedText, generateText, type TextOptions } from "./generate_text.ts";
import type { LanguageModel } from "./language_model.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** How a conversation is written as one text: each turn is a name and what was said, on lines of their own. */
export interface ChatTemplate {
  /** What stands before the conversation, followed by an empty line. Default: nothing. */
  readonly system?: string;
  /** Name of who asks. Default: "User". */
  readonly user?: string;
  /** Name of who answers. Default: "Assistant". */
  readonly assistant?: string;
}

/** How answers are written. */
export interface ChatOptions extends TextOptions {
  /** How the conversation is written. */
  readonly template?: ChatTemplate;
}

/**
 * A conversation with a model, written as one text that the model continues. An answer ends where the name of who asks would
 * begin a line. The oldest turns are left out when what was said, with room for an answer, no longer fits the block.
 *
 * @example
 * ```ts
 * import { Gpu } from "../engine/gpu.ts";
 * import { Bigram } from "./bigram.ts";
 * import { CharTokenizer } from "./char_tokenizer.ts";
 * import { Chat } from "./chat.ts";
 *
 * using gpu = await Gpu.open();
 * const tokenizer = CharTokenizer.fromText("User: Assistant: Hello!\n");
 * const model = new Bigram(gpu, { vocab_size: tokenizer.vocabSize, block_size: 64 });
 * const chat = new Chat(model, tokenizer, { maxNewTokens: 8 });
 * for await (const piece of chat.say("Hello!")) console.log(piece);
 * ```
 */
export class Chat {
  #model: LanguageModel;
  #tokenizer: Tokenizer;
  #options: ChatOptions;
  #turns: { readonly question: string; readonly answer: string }[] = [];
  #said = 0;

  /** A conversation in which nothing was said yet. */
  constructor(model: LanguageModel, tokenizer: Tokenizer, options: ChatOptions) {
    this.#model = model;
    this.#tokenizer = tokenizer;
    this.#options = options;
  }

  /** Says something and yields the answer as it is written, without the blanks before it. Each answer has the next seed. */
  async *say(question: string): AsyncGenerator<string, GeneratedText, void> {
    const { template: { user = "User" } = {}, stop = [], seed = 1337 } = this.#options;
    const options = { ...this.#options, stop: [...stop, `\n${user}:`], seed: seed + this.#said };
    const pieces = generateText(this.#model, this.#tokenizer, this.#prompt(question), options);
    let begun = false;
    while (true) {
      const { value, done } = await pieces.next();
      if (done) {
        this.#turns.push({ question, answer: value.text });
        this.#said++;
        return value;
      }
      const piece: string = begun ? value : value.trimStart();
      begun ||= piece !== "";
      if (piece !== "") yield piece;
    }
  }

  /** Forgets what was said. */
  reset(): void {
    this.#turns = [];
  }

  /** The conversation up to the answer to a question; turns that do not fit are forgotten. */
  #prompt(question: string): string {
    const { template: { system = "", user = "User", assistant = "Assistant" } = {}, maxNewTokens } = this.#options;
    const room = Math.max(this.#model.blockSize >> 1, this.#model.blockSize - maxNewTokens);
    while (true) {
      const turns = this.#turns.map(({ question, answer }) => `${user}: ${question}\n${assistant}:${answer}\n`);
      const text = `${system && `${system}\n\n`}${turns.join("")}${user}: ${question}\n${assistant}:`;
      if (turns.length === 0 || this.#tokenizer.encode(text).length <= room) return text;
      this.#turns.shift();
    }
  }
}
