/** A list of 32-bit numbers that grows, in a typed array. */
export class IntList {
  #items = new Int32Array(1 << 8);
  #length = 0;

  /** The number at a place. */
  at(index: number): number {
    return this.#items[index];
  }

  /** Changes the number at a place. */
  set(index: number, item: number): void {
    this.#items[index] = item;
  }

  /** Appends a number and returns its place. */
  push(item: number): number {
    if (this.#length === this.#items.length) {
      const larger = new Int32Array(Math.ceil(1.5 * this.#length));
      larger.set(this.#items);
      this.#items = larger;
    }
    this.#items[this.#length] = item;
    return this.#length++;
  }
}
