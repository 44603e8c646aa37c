/** Neither letter, number nor whitespace: punctuation, symbols, marks, controls. */
export const other = 0;
/** Unicode's general category L. */
export const letter = 1;
/** Unicode's general category N. */
export const number = 2;
/**
 * Unicode's property White_Space. It is what `\s` means in the libraries that define these tokenizers (Rust's regex,
 * Oniguruma, Python's regex); JavaScript's `\s` has U+FEFF besides, and lacks U+0085.
 */
export const space = 3;

const pages: (Uint8Array | undefined)[] = Array.from({ length: 0x1100 }, () => undefined);

/** The class of a code point: `other`, `letter`, `number` or `space`. */
export function classOf(codePoint: number): number {
  return (pages[codePoint >> 8] ?? fillPage(codePoint >> 8))[codePoint & 255];
}

/** Classes of 256 code points, found out when the first of them is met. */
function fillPage(page: number): Uint8Array {
  const classes = new Uint8Array(256);
  for (let i = 0; i < 256; i++) {
    const character = String.fromCodePoint(page * 256 + i);
    if (/\p{L}/u.test(character)) classes[i] = letter;
    else if (/\p{N}/u.test(character)) classes[i] = number;
    else if (/\p{White_Space}/u.test(character)) classes[i] = space;
  }
  return pages[page] = classes;
}
