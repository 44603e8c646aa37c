/**
 * Disjoint sets of the numbers below a size (Tarjan, 1975), each known by its least number: 4 bytes per number.
 *
 * @example
 * ```ts
 * import { UnionFind } from "./union_find.ts";
 * const sets = new UnionFind(4);
 * sets.join(3, 1);
 * console.log(sets.roots()); // Uint32Array [0, 1, 2, 1]
 * ```
 */
export class UnionFind {
  readonly #parents: Uint32Array<ArrayBuffer>;

  /** Sets of one number each. */
  constructor(size: number) {
    this.#parents = new Uint32Array(size);
    for (let i = 0; i < size; i++) this.#parents[i] = i;
  }

  /** The least number of the set that a number is in. */
  find(number: number): number {
    const parents = this.#parents;
    while (parents[number] !== number) {
      parents[number] = parents[parents[number]]; // paths become half as long
      number = parents[number];
    }
    return number;
  }

  /** Whether two numbers are in one set. */
  same(a: number, b: number): boolean {
    return this.find(a) === this.find(b);
  }

  /** Makes one set of those of two numbers. */
  join(a: number, b: number): void {
    a = this.find(a);
    b = this.find(b);
    this.#parents[Math.max(a, b)] = Math.min(a, b);
  }

  /** The least number of the set of each number. */
  roots(): Uint32Array<ArrayBuffer> {
    return this.#parents.map((_, i) => this.find(i));
  }
}
