import { hashWords } from "./text_hash.ts";

const tables = 64, firstCapacity = 32;

/**
 * The hashes of all texts so far, 16 bytes each in open addressing: 20 to 32 bytes per text once there are some
 * thousands. 64 tables grow one by one, so that no growth holds much more than what is kept.
 *
 * @example
 * ```ts
 * import { ExactDuplicates } from "./exact_duplicates.ts";
 * import { hashText } from "./text_hash.ts";
 * const duplicates = new ExactDuplicates(), hash = new Uint32Array(4);
 * for (const text of ["One text.", "another", "one  TEXT.\n"]) {
 *   hashText(text, hash);
 *   console.log(duplicates.add(hash)); // true, true, false
 * }
 * ```
 */
export class ExactDuplicates {
  #tables = Array.from({ length: tables }, () => new Uint32Array(firstCapacity * hashWords));
  #sizes = new Uint32Array(tables);
  #size = 0;

  /** How many different texts there were. */
  get size(): number {
    return this.#size;
  }

  /** Bytes that the hashes take. */
  get bytes(): number {
    return this.#tables.reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  /** Takes a hash in; false when it was there already. */
  add(hash: Uint32Array, at = 0): boolean {
    let a = hash[at];
    const b = hash[at + 1], c = hash[at + 2], d = hash[at + 3];
    if ((a | b | c | d) === 0) a = 1; // four zeros are an empty slot
    const number = d % tables;
    if (!insert(this.#tables[number], a, b, c, d)) return false;
    this.#size++;
    if (++this.#sizes[number] * hashWords > 0.75 * this.#tables[number].length) this.#grow(number);
    return true;
  }

  #grow(number: number): void {
    const old = this.#tables[number];
    // by half, which keeps tables fuller than doubling does
    const table = new Uint32Array(Math.ceil(old.length / hashWords * 1.5) * hashWords);
    for (let i = 0; i < old.length; i += hashWords) {
      if ((old[i] | old[i + 1] | old[i + 2] | old[i + 3]) !== 0) {
        insert(table, old[i], old[i + 1], old[i + 2], old[i + 3]);
      }
    }
    this.#tables[number] = table;
  }
}

/** Puts a hash into a table with room; false when it is there. */
function insert(table: Uint32Array, a: number, b: number, c: number, d: number): boolean {
  const capacity = table.length / hashWords;
  let slot = Math.floor(a / 2 ** 32 * capacity) * hashWords;
  for (;;) {
    const [p, q, r, s] = [table[slot], table[slot + 1], table[slot + 2], table[slot + 3]];
    if ((p | q | r | s) === 0) break;
    if (p === a && q === b && r === c && s === d) return false;
    slot += hashWords;
    if (slot === table.length) slot = 0;
  }
  table[slot] = a;
  table[slot + 1] = b;
  table[slot + 2] = c;
  table[slot + 3] = d;
  return true;
}
