import { mix32, type Words, WordScanner } from "./word_scanner.ts";

const factorLow = 0x9e3779b1, factorHigh = 0x2c9277b5;

/**
 * A set of sequences of words, found in the words of a text by their hashes: each sequence, whatever its length, by
 * a polynomial of its words' hashes. Case and punctuation do not count.
 */
export class WordSequences {
  /** 53 bits of hash, by length of the sequence. */
  readonly #byLength = new Map<number, Set<number>>();
  /** A bit for some bits of each hash: most words of a text need no more than one look. */
  readonly #bits = new Int32Array(2 ** 15);
  #low = 0;
  #high = 0;

  /** Takes the words of a text from a place on; those without a letter or digit must have been left out. */
  add(words: Compact, at: number, length: number): void {
    let known = this.#byLength.get(length);
    if (known === undefined) this.#byLength.set(length, known = new Set());
    let low = 0, high = 0;
    for (let i = at; i < at + length; i++) {
      low = Math.imul(low, factorLow) + words.low[i] | 0;
      high = Math.imul(high, factorHigh) + words.high[i] | 0;
    }
    this.#finish(low, high);
    known.add(this.#key());
    this.#bits[this.#low >>> 17] |= 1 << (this.#low & 31);
  }

  /** Calls for each sequence of a text that is in the set, until it gets true. */
  find(words: Compact, take: (at: number, length: number) => boolean | void): void {
    for (const [length, known] of this.#byLength) {
      // a polynomial modulo 2^32, of which the oldest word goes as the next one comes
      const oldestLow = power(factorLow, length), oldestHigh = power(factorHigh, length);
      let low = 0, high = 0;
      for (let i = 0; i < words.count; i++) {
        low = Math.imul(low, factorLow) + words.low[i] | 0;
        high = Math.imul(high, factorHigh) + words.high[i] | 0;
        if (i >= length) {
          low = low - Math.imul(words.low[i - length], oldestLow) | 0;
          high = high - Math.imul(words.high[i - length], oldestHigh) | 0;
        }
        if (i < length - 1) continue;
        this.#finish(low, high);
        if ((this.#bits[this.#low >>> 17] & 1 << (this.#low & 31)) === 0 || !known.has(this.#key())) continue;
        if (take(i - length + 1, length) === true) return;
      }
    }
  }

  #finish(low: number, high: number): void {
    this.#low = mix32(low);
    this.#high = mix32(high);
  }

  #key(): number {
    return (this.#low >>> 0) * 2 ** 21 + (this.#high >>> 11);
  }
}

function power(factor: number, exponent: number): number {
  let result = 1;
  for (let i = 0; i < exponent; i++) result = Math.imul(result, factor);
  return result;
}

/** The words of a text that have a letter or digit. */
export interface Compact {
  /** How many there are. */
  readonly count: number;
  /** One half of the hash of each. */
  readonly low: Int32Array;
  /** The other half. */
  readonly high: Int32Array;
  /** Which words of the text they are. */
  readonly indices: Int32Array;
}

/** Leaves out the words without a letter or digit. */
export function compact({ count, low, high, kinds }: Words): Compact {
  const indices = new Int32Array(count), lows = new Int32Array(count), highs = new Int32Array(count);
  let length = 0;
  for (let i = 0; i < count; i++) {
    if (kinds[i] === 0) continue;
    indices[length] = i;
    lows[length] = low[i];
    highs[length++] = high[i];
  }
  return { count: length, low: lows, high: highs, indices };
}

/** The words of a text of its own. */
export function wordsOf(text: string): Compact {
  return compact(new WordScanner().scan(text));
}
