import { WeftError } from "../engine/weft_error.ts";
import { classOf, letter, number } from "../model/character_classes.ts";

/** Characters of a chunk, about. */
const chunkSize = 1 << 20;
/** Most characters without an end of a word. */
const longestWord = 1 << 26;

/**
 * Cuts texts that come in arbitrary pieces, such as those of a file, into chunks of about a million characters where a
 * word ends whatever the pattern and whatever comes next: after a letter or number and before what is neither. So the
 * words of the chunks are the words of the whole.
 *
 * @throws {WeftError} when there is no such place in 67 million characters.
 *
 * @example
 * ```ts
 * import { wholeWords } from "./whole_words.ts";
 * async function* pieces() {
 *   for (const piece of ["It was a bri", "ght cold d", "ay in April"]) yield piece;
 * }
 * const chunks = await Array.fromAsync(wholeWords(pieces(), 8));
 * console.log(chunks); // [ "It was a", " bright cold", " day in April" ]
 * ```
 */
export async function* wholeWords(pieces: AsyncIterable<string>, size = chunkSize): AsyncGenerator<string> {
  let begun: string[] = [], waiting = 0; // text without a cut, and how much of it
  let parts: string[] = [], length = 0;
  for await (const piece of pieces) {
    parts.push(piece);
    length += piece.length;
    if (length < size) continue;
    const text = parts.join(""), cut = lastCut(text);
    parts = [];
    if (cut > 0) {
      yield begun.join("") + text.slice(0, cut);
      begun = [];
      waiting = 0;
    }
    begun.push(text.slice(Math.max(cut, 0)));
    waiting += begun.at(-1)!.length;
    length = 0;
    if (waiting > longestWord) {
      throw new WeftError(
        `The text has no end of a word within ${waiting} characters: it is no text to learn words from`,
      );
    }
  }
  const rest = begun.join("") + parts.join("");
  if (rest !== "") yield rest;
}

/** The last place in a text where a word surely ends, or -1. */
function lastCut(text: string): number {
  for (let at = text.length - 1; at > 0; at--) {
    if (isWordLike(text.charCodeAt(at - 1)) && !isWordLike(text.charCodeAt(at), true)) return at;
  }
  return -1;
}

/** Whether a code unit is a letter or number; `unsure` says what half of a character counts as. */
function isWordLike(code: number, unsure = false): boolean {
  if (code >= 0xd800 && code < 0xe000) return unsure;
  const kind = classOf(code);
  return kind === letter || kind === number;
}
