/** `WordCounts` as arrays that go from thread to thread without being copied. */
export interface WordCountArrays {
  /** The bytes of all words, one after the other. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Where each word begins, and after the last the end. */
  readonly starts: Float64Array<ArrayBuffer>;
  /** How often each occurs. */
  readonly counts: Float64Array<ArrayBuffer>;
}

/**
 * How often each word occurs in texts. A word is bytes, kept once; look-ups allocate nothing.
 *
 * @example
 * ```ts
 * import { WordCounts } from "./word_counts.ts";
 * const words = new WordCounts(), bytes = new TextEncoder().encode("to be to");
 * words.add(bytes, 0, 2);
 * words.add(bytes, 6, 8, 4);
 * console.log(words.size, words.count(0), words.bytes(0)); // 1 5 Uint8Array [116, 111]
 * ```
 */
export class WordCounts {
  #bytes = new Uint8Array(1 << 12);
  #starts = new Float64Array(1 << 8); // beyond 2^31 where words are many
  #counts = new Float64Array(1 << 8);
  #hashes = new Int32Array(1 << 8);
  #table = new Int32Array(1 << 9).fill(-1);
  #size = 0;

  /** Number of different words. */
  get size(): number {
    return this.#size;
  }

  /** How often the word of that number occurs. */
  count(word: number): number {
    return this.#counts[word];
  }

  /** The bytes of the word of that number, not to be changed. */
  bytes(word: number): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(this.#starts[word], this.#starts[word + 1]);
  }

  /** Counts the word between `start` and `end` of `bytes`. */
  add(bytes: Uint8Array, start: number, end: number, count = 1): void {
    let hash = end - start;
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193);
    hash = Math.imul(hash ^ hash >>> 15, 0x2c1b3c6d);
    hash ^= hash >>> 13;
    const mask = this.#table.length - 1;
    let slot = hash & mask;
    for (; this.#table[slot] >= 0; slot = slot + 1 & mask) {
      const word = this.#table[slot];
      if (this.#hashes[word] !== hash || !this.#holds(word, bytes, start, end)) continue;
      this.#counts[word] += count;
      return;
    }
    this.#append(bytes, start, end, count, hash, slot);
  }

  /** Adds what others counted. */
  merge({ bytes, starts, counts }: WordCountArrays): void {
    for (let i = 0; i < counts.length; i++) this.add(bytes, starts[i], starts[i + 1], counts[i]);
  }

  /** Everything as arrays. */
  toArrays(): WordCountArrays {
    return {
      bytes: this.#bytes.slice(0, this.#starts[this.#size]),
      starts: this.#starts.slice(0, this.#size + 1),
      counts: this.#counts.slice(0, this.#size),
    };
  }

  #holds(word: number, bytes: Uint8Array, start: number, end: number): boolean {
    const own = this.#bytes, from = this.#starts[word];
    if (this.#starts[word + 1] - from !== end - start) return false;
    for (let i = start; i < end; i++) if (own[from + i - start] !== bytes[i]) return false;
    return true;
  }

  #append(bytes: Uint8Array, start: number, end: number, count: number, hash: number, slot: number): void {
    const word = this.#size++, from = this.#starts[word], until = from + end - start;
    if (this.#size === this.#counts.length) {
      this.#starts = grown(this.#starts, 2 * this.#size);
      this.#counts = grown(this.#counts, 2 * this.#size);
      this.#hashes = grown(this.#hashes, 2 * this.#size);
    }
    if (until > this.#bytes.length) this.#bytes = grown(this.#bytes, 2 * until);
    this.#bytes.set(bytes.subarray(start, end), from);
    this.#starts[word + 1] = until;
    this.#counts[word] = count;
    this.#hashes[word] = hash;
    this.#table[slot] = word;
    if (2 * this.#size > this.#table.length) this.#rehash();
  }

  #rehash(): void {
    const table = new Int32Array(2 * this.#table.length).fill(-1), mask = table.length - 1;
    for (let word = 0; word < this.#size; word++) {
      let slot = this.#hashes[word] & mask;
      while (table[slot] >= 0) slot = slot + 1 & mask;
      table[slot] = word;
    }
    this.#table = table;
  }
}

function grown<T extends Uint8Array | Int32Array | Float64Array>(array: T, length: number): T {
  const larger = new (array.constructor as new (length: number) => T)(length);
  larger.set(array);
  return larger;
}
