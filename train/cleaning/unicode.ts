import type { StageDefinition } from "./stage.ts";

/** Options of the stage `unicode`. */
export const unicodeOptions = {
  form: {
    type: "string",
    choices: ["NFC", "NFKC", "none"],
    default: "NFC",
    help: "Unicode normalization form",
  },
  max_blank_lines: { type: "int", default: 1, min: 0, help: "blank lines that stay in a row" },
} as const;

/**
 * Well-formed Unicode with one kind of line break: line breaks become \n, the byte order mark and control characters
 * other than \n and \t go, half surrogate pairs become U+FFFD, blanks at the end of lines and long runs of blank lines
 * go, and characters are composed (Unicode Standard Annex 15).
 *
 * What is read as Windows-1252 has control characters for some bytes: `mojibake` belongs before this stage.
 */
export const unicode: StageDefinition<typeof unicodeOptions> = {
  help: "NFC, line breaks, control characters, trailing blanks and runs of blank lines",
  options: unicodeOptions,
  prepare({ form, max_blank_lines }) {
    const extraLines = new RegExp(`\n{${max_blank_lines + 2},}`, "g"), lines = "\n".repeat(max_blank_lines + 1);
    return (text) => {
      const found = scan(text, max_blank_lines);
      if (found & SURROGATE) text = text.toWellFormed();
      if (found & CONTROL) {
        text = text.replace(/\r\n?|[\x85\u2028\u2029]/g, "\n").replace(controls, "");
      }
      if (form !== "none" && found & (form === "NFC" ? COMBINING : WIDE)) text = text.normalize(form);
      // what was removed may have stood between blanks and the end of a line
      if (found & (BLANKS | CONTROL)) {
        text = withoutTrailingBlanks(text).replace(extraLines, lines).replace(/^\n+|\n+$/g, "");
      }
      return { text };
    };
  },
};

// deno-lint-ignore no-control-regex
const controls = /[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff\ufffe\uffff]/g;

const SURROGATE = 1, CONTROL = 2, COMBINING = 4, WIDE = 8, BLANKS = 16;

/** What a text has that needs work; most texts have nothing, and one pass tells. */
function scan(text: string, maxBlankLines: number): number {
  let found = 0, breaks = 0, previous = 10;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === 10) {
      if (previous === 32 || previous === 9 || previous === 0xa0 || ++breaks > maxBlankLines + 1) found |= BLANKS;
    } else {
      breaks = 0;
      if (unit < 32) {
        if (unit !== 9) found |= CONTROL;
      } else if (unit >= 127) {
        if (unit < 0xa0) found |= CONTROL;
        else if (unit < 0x300) found |= WIDE;
        else {
          found |= WIDE | COMBINING; // nothing below U+0300 changes under NFC
          if (unit >= 0xd800 && unit < 0xe000) found |= SURROGATE;
          else if (unit === 0x2028 || unit === 0x2029 || unit === 0xfeff || unit >= 0xfffe) found |= CONTROL;
          else if (isBlank(unit)) found |= BLANKS;
        }
      }
    }
    previous = unit;
  }
  const first = text.charCodeAt(0);
  if (first === 10 || previous === 10 || isBlank(previous)) found |= BLANKS;
  return found;
}

function isBlank(unit: number): boolean {
  return unit === 32 || unit === 9 || unit === 0xa0 || unit === 0x3000 || unit === 0x202f || unit === 0x205f ||
    unit === 0x1680 || unit >= 0x2000 && unit <= 0x200a;
}

/** Without the blanks at the end of each line; by hand, since an expression tries every run of blanks from each of its places. */
function withoutTrailingBlanks(text: string): string {
  const parts: string[] = [];
  let start = 0;
  for (let next = text.indexOf("\n"); next >= 0; next = text.indexOf("\n", next + 1)) {
    let end = next;
    while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
    if (end === next) continue;
    parts.push(text.slice(start, end));
    start = next;
  }
  let end = text.length;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return parts.join("") + text.slice(start, end);
}
