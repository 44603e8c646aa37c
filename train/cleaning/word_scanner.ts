import { charClasses, DIGIT, LETTER, LONE, SPACE } from "./char_classes.ts";

/** The words of a text: what white space separates, and each Han or Kana character. Valid until the next scan. */
export interface Words {
  /** How many there are. */
  readonly count: number;
  /** UTF-16 units in all of them. */
  readonly units: number;
  /** Where each begins. */
  readonly starts: Int32Array;
  /** The place after the last unit of each. */
  readonly ends: Int32Array;
  /**
   * One half of 64 bits of hash of each: of its letters and digits in lower case, or, where it has none, of all its
   * characters. So "The" and "the," are equal.
   */
  readonly low: Int32Array;
  /** The other half. */
  readonly high: Int32Array;
  /** `LETTER` and `DIGIT` where it has such a character; 0 for mere punctuation. */
  readonly kinds: Uint8Array;
}

const seedLow = 0x2c1b3c6d, seedHigh = 0x297a2d39;

/** One pass over a text that tells its words with their hashes; the words of the last text are kept. */
export class WordScanner {
  #text: string | undefined;
  #count = 0;
  #units = 0;
  #starts = new Int32Array(1024);
  #ends = new Int32Array(1024);
  #low = new Int32Array(1024);
  #high = new Int32Array(1024);
  #kinds = new Uint8Array(1024);

  /** The words of a text, in arrays that the scan of another text overwrites. */
  scan(text: string): Words {
    if (text !== this.#text) {
      this.#count = this.#units = 0;
      this.#scan(text);
      this.#text = text;
    }
    return {
      count: this.#count,
      units: this.#units,
      starts: this.#starts,
      ends: this.#ends,
      low: this.#low,
      high: this.#high,
      kinds: this.#kinds,
    };
  }

  #scan(text: string): void {
    const { classes, lower } = charClasses();
    const length = text.length;
    for (let at = 0; at < length;) {
      let unit = text.charCodeAt(at), kind = classes[unit];
      if (kind === SPACE) {
        at++;
        continue;
      }
      const start = at;
      let low = seedLow, high = seedHigh, kinds = 0;
      do {
        if (kind !== 0) {
          if ((kind & LONE) !== 0 && at > start) break; // a new word
          kinds |= kind;
          const small = lower[unit];
          low = Math.imul(low ^ small, 0x01000193);
          high = Math.imul((high << 7 | high >>> 25) ^ small, 0x2c9277b5);
        } else if ((unit & 0xfc00) === 0xdc00 && at > start && classes[text.charCodeAt(at - 1)] === LETTER) {
          low = Math.imul(low ^ unit, 0x01000193); // the second half of a letter
          high = Math.imul((high << 7 | high >>> 25) ^ unit, 0x2c9277b5);
        }
        at++;
        if (at === length || (kind & LONE) !== 0) break;
        unit = text.charCodeAt(at);
        kind = classes[unit];
      } while (kind !== SPACE);
      if (kinds === 0) {
        for (let i = start; i < at; i++) {
          const unit = text.charCodeAt(i);
          low = Math.imul(low ^ unit, 0x01000193);
          high = Math.imul((high << 7 | high >>> 25) ^ unit, 0x2c9277b5);
        }
      }
      this.#push(start, at, mix32(low), mix32(high), kinds & (LETTER | DIGIT));
    }
  }

  #push(start: number, end: number, low: number, high: number, kinds: number): void {
    const i = this.#count++;
    if (i === this.#starts.length) this.#grow();
    this.#starts[i] = start;
    this.#ends[i] = end;
    this.#low[i] = low;
    this.#high[i] = high;
    this.#kinds[i] = kinds;
    this.#units += end - start;
  }

  #grow(): void {
    const longer = <A extends Int32Array | Uint8Array>(array: A, fresh: A): A => {
      fresh.set(array);
      return fresh;
    };
    const size = this.#starts.length * 2;
    this.#starts = longer(this.#starts, new Int32Array(size));
    this.#ends = longer(this.#ends, new Int32Array(size));
    this.#low = longer(this.#low, new Int32Array(size));
    this.#high = longer(this.#high, new Int32Array(size));
    this.#kinds = longer(this.#kinds, new Uint8Array(size));
  }
}

/** Spreads every bit of a 32-bit word over all others: the finalizer of MurmurHash3 (Appleby, 2011). */
export function mix32(word: number): number {
  word = Math.imul(word ^ word >>> 16, 0x85ebca6b);
  word = Math.imul(word ^ word >>> 13, 0xc2b2ae35);
  return word ^ word >>> 16;
}
