/**
 * Finds where a text that comes in pieces reaches one of several strings, the one that ends first. What might be the beginning of
 * one is held back until more has come, so that no part of one is ever given out.
 *
 * @example
 * ```ts
 * import { StopStrings } from "./stop_strings.ts";
 * const stop = new StopStrings(["\nUser:"]);
 * console.log(stop.push("Yes.\nUs"), stop.push("er: and")); // "Yes." goes on; "" is the end
 * ```
 */
export class StopStrings {
  #strings: readonly string[];
  #held = "";

  /** Without strings, or with empty ones, everything passes. */
  constructor(strings: readonly string[]) {
    this.#strings = strings.filter((string) => string !== "");
  }

  /** The text that can be given out with this piece, and whether a string was reached, which ends it. */
  push(piece: string): { text: string; stopped: boolean } {
    const text = this.#held + piece;
    let begin = 0, end = Infinity;
    for (const string of this.#strings) {
      const at = text.indexOf(string);
      if (at === -1 || at + string.length > end || (at + string.length === end && at > begin)) continue;
      begin = at;
      end = at + string.length;
    }
    if (end < Infinity) return { text: text.slice(0, begin), stopped: true };
    let held = 0;
    for (const string of this.#strings) {
      for (let length = Math.min(string.length - 1, text.length); length > held; length--) {
        if (text.endsWith(string.slice(0, length))) held = length;
      }
    }
    this.#held = text.slice(text.length - held);
    return { text: text.slice(0, text.length - held), stopped: false };
  }

  /** What was held back, when nothing comes any more. */
  end(): string {
    const held = this.#held;
    this.#held = "";
    return held;
  }
}
