/**
 * A priority queue of numbers: a binary heap whose order is a function, which must not change its mind about what is
 * in the heap.
 *
 * @example
 * ```ts
 * import { Heap } from "./heap.ts";
 * const heap = new Heap((a, b) => a < b);
 * for (const n of [3, 1, 2]) heap.push(n);
 * console.log(heap.pop(), heap.pop(), heap.pop(), heap.pop()); // 1 2 3 undefined
 * ```
 */
export class Heap {
  #items: number[] = [];
  #before: (a: number, b: number) => boolean;

  /** An empty heap; `before(a, b)` says whether a comes out before b. */
  constructor(before: (a: number, b: number) => boolean) {
    this.#before = before;
  }

  /** Puts a number in. */
  push(item: number): void {
    const items = this.#items, before = this.#before;
    let at = items.length;
    items.push(item);
    while (at > 0) {
      const parent = at - 1 >> 1;
      if (!before(item, items[parent])) break;
      items[at] = items[parent];
      at = parent;
    }
    items[at] = item;
  }

  /** Takes the first number out; undefined when there is none. */
  pop(): number | undefined {
    const items = this.#items, before = this.#before;
    const top = items[0], item = items.pop();
    if (item === undefined || items.length === 0) return top;
    let at = 0;
    for (let child = 1; child < items.length; child = 2 * at + 1) {
      if (child + 1 < items.length && before(items[child + 1], items[child])) child++;
      if (!before(items[child], item)) break;
      items[at] = items[child];
      at = child;
    }
    items[at] = item;
    return top;
  }
}
