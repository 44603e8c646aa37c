/** A blank, line break or other white space. */
export const SPACE = 1;
/** A letter or a mark that belongs to one. */
export const LETTER = 2;
/** A digit or other number. */
export const DIGIT = 4;
/** A character of a script that is written without blanks between words (Han, Kana): each counts as a word. */
export const LONE = 8;

/** The tables that one look per UTF-16 unit needs: its class, and the unit in lower case. */
export interface CharClasses {
  /** Sum of the classes of each UTF-16 unit. */
  readonly classes: Uint8Array;
  /** Each UTF-16 unit in lower case where that is one unit, else itself. */
  readonly lower: Uint16Array;
}

let tables: CharClasses | undefined;

/** The tables, made at the first call: they are constants, but take some milliseconds that not every program needs. */
export function charClasses(): CharClasses {
  return tables ??= makeTables();
}

function makeTables(): CharClasses {
  const classes = new Uint8Array(65536), lower = new Uint16Array(65536);
  for (let unit = 0; unit < 65536; unit++) {
    lower[unit] = unit;
    if (unit >= 0xd800 && unit < 0xe000) {
      // Halves of pairs: those of pictographs (U+1F000 to U+1FBFF) are symbols, nearly all others are letters.
      const symbol = unit >= 0xd83c && unit <= 0xd83e;
      classes[unit] = unit < 0xdc00 ? symbol ? 0 : LETTER : 0;
      continue;
    }
    const character = String.fromCharCode(unit);
    if (/\s/.test(character)) classes[unit] = SPACE;
    else if (/[\p{L}\p{M}]/u.test(character)) {
      classes[unit] = LETTER;
      if (/[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}]/u.test(character)) classes[unit] |= LONE;
      const small = character.toLowerCase();
      if (small.length === 1) lower[unit] = small.charCodeAt(0);
    } else if (/\p{N}/u.test(character)) classes[unit] = DIGIT;
  }
  return { classes, lower };
}
