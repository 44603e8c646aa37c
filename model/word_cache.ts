const slots = 2 ** 16, ways = 4;
/** Longest word that is kept, in bytes. */
const keySize = 32;
/** Most tokens of a word that is kept. */
const idsSize = 8;

/**
 * Remembers the tokens of short words. It is a table of fixed size: a word may be in any of four slots that its hash
 * names, and where all are taken, one of them is given up. Words are compared byte by byte where they lie, so that a
 * look-up allocates nothing.
 */
export class WordCache {
  #tags = new Int32Array(slots); // hash of the word with its length; 0 where there is none
  #keys = new Uint8Array(slots * keySize);
  #ids = new Int32Array(slots * idsSize);
  #counts = new Uint8Array(slots);
  #turn = 0;
  #found = 0;
  #tag = 0;

  /**
   * Writes the ids of the word between `start` and `end` of `bytes` into `target` at `at`, and returns how many; 0 when
   * the word is not known, and -1 when it is none that would be kept.
   */
  copy(bytes: Uint8Array, start: number, end: number, target: Int32Array, at: number): number {
    const length = end - start;
    if (length > keySize) return -1;
    let hash = length;
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193);
    hash = Math.imul(hash ^ hash >>> 15, 0x2c1b3c6d);
    const tag = this.#tag = hash << 6 | length, first = (hash >>> 12) & (slots - ways);
    this.#found = first;
    for (let slot = first; slot < first + ways; slot++) {
      if (this.#tags[slot] !== tag || !this.#holds(slot, bytes, start, length)) continue;
      const count = this.#counts[slot], from = slot * idsSize;
      for (let i = 0; i < count; i++) target[at + i] = this.#ids[from + i];
      return count;
    }
    return 0;
  }

  /** Keeps the ids of the word that `copy` was last asked for and did not know. */
  keep(bytes: Uint8Array, start: number, end: number, ids: Int32Array, count: number): void {
    if (count > idsSize) return;
    let slot = this.#found;
    while (slot < this.#found + ways && this.#tags[slot] !== 0) slot++;
    if (slot === this.#found + ways) slot = this.#found + (this.#turn++ & ways - 1);
    this.#tags[slot] = this.#tag;
    for (let i = start; i < end; i++) this.#keys[slot * keySize + i - start] = bytes[i];
    for (let i = 0; i < count; i++) this.#ids[slot * idsSize + i] = ids[i];
    this.#counts[slot] = count;
  }

  #holds(slot: number, bytes: Uint8Array, start: number, length: number): boolean {
    const keys = this.#keys, from = slot * keySize;
    for (let i = 0; i < length; i++) if (keys[from + i] !== bytes[start + i]) return false;
    return true;
  }
}
