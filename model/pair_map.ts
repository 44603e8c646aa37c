/**
 * A map from pairs of whole numbers from 0 to whole numbers from 0, by open addressing in one typed array: no key is
 * ever allocated, and a look-up touches one cache line.
 *
 * @example
 * ```ts
 * import { PairMap } from "./pair_map.ts";
 * const map = new PairMap();
 * map.set(3, 4, 7);
 * console.log(map.get(3, 4), map.get(4, 3)); // 7 -1
 * ```
 */
export class PairMap {
  #slots: Int32Array<ArrayBuffer>; // four to an entry: a, b, value, unused
  #mask: number;
  #size = 0;

  /** An empty map with room for so many pairs; it grows when there are more. */
  constructor(capacity = 16) {
    const slots = 2 ** Math.ceil(Math.log2(Math.max(capacity, 8) * 2));
    this.#slots = new Int32Array(4 * slots).fill(-1);
    this.#mask = slots - 1;
  }

  /** Number of pairs. */
  get size(): number {
    return this.#size;
  }

  /** The value of a pair, or -1. */
  get(a: number, b: number): number {
    const slots = this.#slots, mask = this.#mask;
    for (let i = hash(a, b) & mask;; i = i + 1 & mask) {
      const at = 4 * i, key = slots[at];
      if (key === a && slots[at + 1] === b) return slots[at + 2];
      if (key === -1) return -1;
    }
  }

  /** Gives a pair a value. */
  set(a: number, b: number, value: number): void {
    if (2 * this.#size > this.#mask) this.#grow();
    const slots = this.#slots, mask = this.#mask;
    for (let i = hash(a, b) & mask;; i = i + 1 & mask) {
      const at = 4 * i;
      if (slots[at] === -1) {
        slots[at] = a;
        slots[at + 1] = b;
        this.#size++;
      } else if (slots[at] !== a || slots[at + 1] !== b) continue;
      slots[at + 2] = value;
      return;
    }
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Int32Array(2 * old.length).fill(-1);
    this.#mask = 2 * this.#mask + 1;
    this.#size = 0;
    for (let at = 0; at < old.length; at += 4) {
      if (old[at] !== -1) this.set(old[at], old[at + 1], old[at + 2]);
    }
  }
}

function hash(a: number, b: number): number {
  const mixed = Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b);
  return Math.imul(mixed ^ mixed >>> 15, 0x2c1b3c6d) >>> 8;
}
