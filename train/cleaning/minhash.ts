import { randomWords } from "../../engine/random.ts";
import { mix32, type Words } from "./word_scanner.ts";

/** Sizes of MinHash signatures. */
export interface MinHashOptions {
  /** Groups of hash values; texts that agree in a whole one are candidates. */
  readonly bands: number;
  /** Hash values of a group. */
  readonly rows: number;
  /** Words of the sequences that are compared. */
  readonly words: number;
}

/**
 * MinHash signatures (Broder, "On the resemblance and containment of documents", 1997) of the sets of a text's
 * sequences of words, and their bands for locality-sensitive hashing: two texts whose sets have the Jaccard similarity s
 * agree in a hash value with probability s, and in at least one band with 1 − (1 − s^rows)^bands.
 *
 * @example
 * ```ts
 * import { MinHash, sketchSimilarity } from "./minhash.ts";
 * import { WordScanner } from "./word_scanner.ts";
 * const minHash = new MinHash({ bands: 20, rows: 8, words: 2 }), scanner = new WordScanner();
 * const sketches = ["the cat sat on the mat", "The cat sat on the mat!"].map((text) => {
 *   const bands = new Uint32Array(40), sketch = new Uint8Array(160);
 *   minHash.sign(scanner.scan(text), bands, 0, sketch, 0);
 *   return sketch;
 * });
 * console.log(sketchSimilarity(sketches[0], 0, sketches[1], 0, 160)); // 1
 * ```
 */
export class MinHash {
  readonly #options: MinHashOptions;
  readonly #factors: Int32Array;
  readonly #least: Int32Array;
  #shingles = new Int32Array(1024);

  /** Signatures of a size; those of equal sizes can be compared. */
  constructor(options: MinHashOptions) {
    this.#options = options;
    const count = options.bands * options.rows, padded = Math.ceil(count / 4) * 4; // four at a time
    this.#factors = new Int32Array(padded);
    this.#least = new Int32Array(padded);
    for (let i = 0; i < padded; i++) {
      this.#factors[i] = randomWords(0, 0, i)[0] | 1;
    }
  }

  /**
   * Writes a text's band hashes (64 bits each, in two halves) and its sketch (the low byte of every hash value). Words
   * without a letter or digit do not count. False, and nothing written, when no word is left.
   */
  sign(words: Words, bands: Uint32Array, bandsAt: number, sketch: Uint8Array, sketchAt: number): boolean {
    const count = this.#shingle(words);
    if (count === 0) return false;
    this.#minima(count);
    const least = this.#least, { rows } = this.#options;
    for (let band = 0; band < this.#options.bands; band++) {
      let low = band, high = ~band;
      for (let i = band * rows; i < (band + 1) * rows; i++) {
        low = mix32(Math.imul(low, 0x9e3779b1) + least[i] | 0);
        high = mix32(Math.imul(high, 0x85ebca77) ^ least[i]);
      }
      bands[bandsAt + 2 * band] = low;
      bands[bandsAt + 2 * band + 1] = high;
    }
    for (let i = 0; i < this.#options.bands * rows; i++) sketch[sketchAt + i] = least[i];
    return true;
  }

  /** Hashes of all sequences of words; of the whole text where it is shorter. */
  #shingle({ count, low, high, kinds }: Words): number {
    if (count > this.#shingles.length) this.#shingles = new Int32Array(2 * count);
    const shingles = this.#shingles;
    let length = 0;
    for (let i = 0; i < count; i++) {
      if (kinds[i] !== 0) shingles[length++] = Math.imul(low[i], 0x9e3779b1) ^ high[i];
    }
    const n = Math.min(this.#options.words, length);
    if (n === 0) return 0;
    for (let i = 0; i + n <= length; i++) {
      let hash = 0;
      for (let j = i; j < i + n; j++) hash = Math.imul(hash << 5 ^ hash >>> 27 ^ shingles[j], 0x2c9277b5);
      shingles[i] = mix32(hash);
    }
    return length - n + 1;
  }

  /** The least value of each hash function, a product with an odd number modulo 2^32, over all sequences. */
  #minima(count: number): void {
    const factors = this.#factors, least = this.#least, shingles = this.#shingles;
    for (let i = 0; i < least.length; i += 4) {
      const f0 = factors[i], f1 = factors[i + 1], f2 = factors[i + 2], f3 = factors[i + 3];
      let l0 = 0x7fffffff, l1 = l0, l2 = l0, l3 = l0;
      for (let j = 0; j < count; j++) {
        const shingle = shingles[j];
        const v0 = Math.imul(shingle, f0), v1 = Math.imul(shingle, f1);
        const v2 = Math.imul(shingle, f2), v3 = Math.imul(shingle, f3);
        if (v0 < l0) l0 = v0;
        if (v1 < l1) l1 = v1;
        if (v2 < l2) l2 = v2;
        if (v3 < l3) l3 = v3;
      }
      least[i] = l0;
      least[i + 1] = l1;
      least[i + 2] = l2;
      least[i + 3] = l3;
    }
  }
}

/** An estimate of the Jaccard similarity of two texts by their sketches of that length. */
export function sketchSimilarity(a: Uint8Array, aAt: number, b: Uint8Array, bAt: number, length: number): number {
  let equal = 0;
  for (let i = 0; i < length; i++) if (a[aAt + i] === b[bAt + i]) equal++;
  return Math.max(0, (equal / length - 1 / 256) / (1 - 1 / 256)); // bytes are equal by chance, too
}
