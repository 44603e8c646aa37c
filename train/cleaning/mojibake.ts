import type { StageDefinition } from "./stage.ts";
import { windows1252 } from "./windows_1252.ts";

/**
 * Repairs UTF-8 that was read as Windows-1252 or Latin-1 (`Ã©` for `é`, `â€™` for `’`), up to three times over. Only
 * where that is certain: a whole run of such characters must be valid UTF-8, and be of a form that no language writes,
 * or stand in a text that has such a form. Belongs before `unicode`, which removes control characters that are bytes here.
 *
 * The idea is that of ftfy (Speer, 2019); the rules are simpler and leave more as it is.
 */
export const mojibake: StageDefinition<Record<never, never>> = {
  help: "repairs UTF-8 that was read as Windows-1252 or Latin-1, where that is certain",
  options: {},
  prepare: () => (text) => {
    for (let i = 0; i < 3; i++) {
      const repaired = repair(text);
      if (repaired === text) break;
      text = repaired;
    }
    return { text };
  },
};

/** The byte that stands for a character in Windows-1252 or Latin-1. */
const bytes = new Map<string, number>();
for (let byte = 0x80; byte < 0x100; byte++) bytes.set(String.fromCharCode(byte), byte);
for (let i = 0; i < windows1252.length; i++) bytes.set(windows1252[i], 0x80 + i);

const highCharacters = [...bytes.keys()].join("");
// a first byte of UTF-8 and at least one more byte
const runs = new RegExp(`[${highCharacters}]{2,}`, "g");
const firstBytes = /[Â-ô]/;

const decoder = new TextDecoder("utf-8", { fatal: true });

function repair(text: string): string {
  if (!firstBytes.test(text)) return text;
  const repairs: { start: number; end: number; text: string }[] = [];
  let certain = false;
  for (const match of text.matchAll(runs)) {
    const decoded = decode(match[0]);
    if (decoded === undefined) continue;
    repairs.push({ start: match.index, end: match.index + match[0].length, text: decoded });
    certain ||= isCertain(match[0], decoded);
  }
  if (!certain) return text;
  let result = "", copied = 0;
  for (const { start, end, text: decoded } of repairs) {
    result += text.slice(copied, start) + decoded;
    copied = end;
  }
  return result + text.slice(copied);
}

function decode(run: string): string | undefined {
  try {
    return decoder.decode(Uint8Array.from(run, (character) => bytes.get(character)!));
  } catch {
    return undefined; // a character of the text as it is meant
  }
}

/**
 * Whether a run that is valid UTF-8 cannot be meant as it stands. Words may end in a capital letter before a quotation
 * mark or dash (`É”`), so two characters are certain only as Ã or Â before what does not follow a word, and three as an
 * apostrophe, quotation mark or dash (`â€™`); longer runs are by chance hardly ever valid.
 */
function isCertain(run: string, decoded: string): boolean {
  if (run.length === 2) return /^[ÃÂ][\x80-\xbfƒˆ‰Š‹ŒŽ˜š›œžŸ€‚„†‡]$/.test(run);
  if (run.length === 3 && [...decoded].length === 1) return /^â[€‚]/.test(run) || /^ï[¼½¿]/.test(run);
  return [...decoded].length >= 3 || /^ðŸ|[ÃÂ][\x80-\xbf]|â€/.test(run);
}
