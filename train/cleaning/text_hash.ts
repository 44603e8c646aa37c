import { mix32 } from "./word_scanner.ts";

/** 32-bit words of a text's hash. */
export const hashWords = 4;

/**
 * 128 bits of hash of a text in lower case, with each run of white space as one blank and none at its ends: four words
 * into an array. Two texts have the same hash by chance with a probability of 2^−128, about 10^−25 for some pair of ten
 * million; it withstands chance, not somebody who looks for collisions.
 */
export function hashText(text: string, into: Uint32Array, at = 0): void {
  const small = text.toLowerCase();
  let a = 0x239b961b, b = 0xab0e9789 | 0, c = 0x38b34ae5, d = 0xa1e38b93 | 0;
  let length = 0, blank = false;
  for (let i = 0; i < small.length; i++) {
    let unit = small.charCodeAt(i);
    if (isSpace(unit)) {
      blank = length > 0;
      continue;
    }
    if (blank) {
      blank = false;
      unit |= 0x10000; // a blank goes before
    }
    length++;
    a = Math.imul(a ^ unit, 0x01000193);
    b = Math.imul((b << 5 | b >>> 27) ^ unit, 0x2c9277b5);
    c = Math.imul((c << 13 | c >>> 19) + unit | 0, 0x5ca0a2b5);
    d = (d << 19 | d >>> 13) + Math.imul(unit + length, 0x9e3779b1) ^ a;
  }
  a = mix32(a ^ length), b = mix32(b + a | 0), c = mix32(c + b | 0), d = mix32(d + c | 0);
  a = mix32(a + d | 0), b = mix32(b ^ a), c = mix32(c ^ b);
  into[at] = a;
  into[at + 1] = b;
  into[at + 2] = c;
  into[at + 3] = d;
}

/** The white space of ECMAScript's \s. */
function isSpace(unit: number): boolean {
  return unit === 32 || unit >= 9 && unit <= 13 || unit === 0xa0 || unit >= 0x1680 &&
      (unit === 0x1680 || unit >= 0x2000 && unit <= 0x200a || unit === 0x2028 || unit === 0x2029 || unit === 0x202f ||
        unit === 0x205f || unit === 0x3000 || unit === 0xfeff);
}
