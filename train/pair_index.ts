import { bytesInOrder } from "../model/byte_alphabet.ts";
import { Heap } from "../model/heap.ts";
import { PairMap } from "../model/pair_map.ts";
import { IntList } from "./int_list.ts";
import type { WordCounts } from "./word_counts.ts";

/** Two neighbouring symbols. */
export interface Pair {
  /** Its number in the index. */
  readonly number: number;
  /** Id of the first symbol. */
  readonly left: number;
  /** Id of the second. */
  readonly right: number;
}

/**
 * Words as symbols, with the counts of all pairs of neighbours, which are kept up to date as pairs are merged: only the
 * words that hold a pair are touched. A heap finds the most frequent pair; an entry of it may have an old count, which
 * is higher than the true one, and goes back with the true one when it comes up.
 */
export class PairIndex {
  #symbols: Int32Array;
  #starts: Float64Array;
  #lengths: Int32Array;
  #weights: Float64Array; // how often each word occurs
  #numbers = new PairMap(1 << 16);
  // By number of the pair: its symbols, its count, and the list of words that hold it, or held it once.
  #left = new IntList();
  #right = new IntList();
  #counts: number[] = [];
  #heads = new IntList();
  // Nodes of those lists.
  #words = new IntList();
  #next = new IntList();
  // Entries of the heap.
  #entryPairs = new IntList();
  #entryCounts: number[] = [];
  #heap = new Heap((a, b) => this.#isBefore(a, b));
  #raised = new Set<number>();
  #least: number;

  /** The index of words as single bytes; pairs that occur less than `least` times are never the best. */
  constructor(words: WordCounts, least: number) {
    this.#least = least;
    let size = 0;
    for (let word = 0; word < words.size; word++) size += words.bytes(word).length;
    this.#symbols = new Int32Array(size);
    this.#starts = new Float64Array(words.size);
    this.#lengths = new Int32Array(words.size);
    this.#weights = new Float64Array(words.size);
    const idOf = new Int32Array(256);
    bytesInOrder.forEach((byte, id) => idOf[byte] = id);
    for (let word = 0, at = 0; word < words.size; word++) {
      const bytes = words.bytes(word);
      this.#starts[word] = at;
      this.#lengths[word] = bytes.length;
      this.#weights[word] = words.count(word);
      for (let i = 0; i < bytes.length; i++) {
        this.#symbols[at] = idOf[bytes[i]];
        if (i > 0) this.#raise(this.#symbols[at - 1], this.#symbols[at], word);
        at++;
      }
    }
    this.#offerRaised();
  }

  /** Takes out the pair that occurs most often, of several the one with the smallest ids; undefined when none is left. */
  popBest(): Pair | undefined {
    for (let entry = this.#heap.pop(); entry !== undefined; entry = this.#heap.pop()) {
      const number = this.#entryPairs.at(entry), count = this.#counts[number];
      if (count === this.#entryCounts[entry]) {
        this.#counts[number] = -Infinity; // it never comes up again
        return { number, left: this.#left.at(number), right: this.#right.at(number) };
      }
      if (count < this.#least) continue;
      this.#entryCounts[entry] = count;
      this.#heap.push(entry);
    }
    return undefined;
  }

  /** Makes the symbol `id` of a pair wherever it occurs, from the left. */
  merge({ number, left, right }: Pair, id: number): void {
    for (let node = this.#heads.at(number); node >= 0; node = this.#next.at(node)) {
      this.#mergeInWord(this.#words.at(node), left, right, id);
    }
    this.#offerRaised();
  }

  #mergeInWord(word: number, left: number, right: number, id: number): void {
    const symbols = this.#symbols, start = this.#starts[word], end = start + this.#lengths[word];
    let write = start;
    for (let read = start; read < end; read++) {
      if (symbols[read] !== left || read + 1 === end || symbols[read + 1] !== right) {
        symbols[write++] = symbols[read];
        continue;
      }
      if (write > start) {
        this.#lower(symbols[write - 1], left, word);
        this.#raise(symbols[write - 1], id, word);
      }
      if (read + 2 < end) {
        this.#lower(right, symbols[read + 2], word);
        this.#raise(id, symbols[read + 2], word);
      }
      symbols[write++] = id;
      read++;
    }
    this.#lengths[word] = write - start;
  }

  #lower(left: number, right: number, word: number): void {
    this.#counts[this.#numbers.get(left, right)] -= this.#weights[word];
  }

  #raise(left: number, right: number, word: number): void {
    let number = this.#numbers.get(left, right);
    if (number < 0) {
      number = this.#left.push(left);
      this.#right.push(right);
      this.#heads.push(-1);
      this.#counts.push(0);
      this.#numbers.set(left, right, number);
    }
    this.#counts[number] += this.#weights[word];
    this.#raised.add(number);
    const head = this.#heads.at(number);
    if (head >= 0 && this.#words.at(head) === word) return;
    this.#heads.set(number, this.#words.push(word));
    this.#next.push(head);
  }

  #offerRaised(): void {
    for (const number of this.#raised) {
      if (this.#counts[number] < this.#least) continue;
      this.#entryCounts.push(this.#counts[number]);
      this.#heap.push(this.#entryPairs.push(number));
    }
    this.#raised.clear();
  }

  #isBefore(a: number, b: number): boolean {
    const difference = this.#entryCounts[a] - this.#entryCounts[b];
    if (difference !== 0) return difference > 0;
    const p = this.#entryPairs.at(a), q = this.#entryPairs.at(b), byLeft = this.#left.at(p) - this.#left.at(q);
    return byLeft !== 0 ? byLeft < 0 : this.#right.at(p) < this.#right.at(q);
  }
}
