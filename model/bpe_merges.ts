import { Heap } from "./heap.ts";
import { PairMap } from "./pair_map.ts";

/** From how many symbols on a heap finds the next merge; a scan over fewer is quicker. */
const longWord = 96;
/** A rank above all others: no merge. */
const none = 0x7fffffff;
/** Above every position in a word, and small enough that rank · positions + position is exact in a double. */
const positions = 2 ** 31;

/**
 * The merges of byte-pair encoding (Sennrich et al. 2016), by rank: while two neighbouring symbols of a word have a
 * merge, the pair of lowest rank becomes one symbol, the leftmost first where it occurs more than once.
 *
 * @example
 * ```ts
 * import { BpeMerges } from "./bpe_merges.ts";
 * const merges = new BpeMerges();
 * merges.add(1, 1, 10); // rank 0: 1 1 → 10
 * merges.add(10, 2, 11); // rank 1: 10 2 → 11
 * const word = Int32Array.of(1, 1, 2, 1);
 * console.log(word.subarray(0, merges.apply(word, 4))); // Int32Array [11, 1]
 * ```
 */
export class BpeMerges {
  #ranks = new PairMap();
  #results: number[] = [];
  #scratch = new Int32Array(longWord);

  /** Appends a merge, which gets the next rank: the symbols `left` and `right` become `result`. */
  add(left: number, right: number, result: number): void {
    this.#ranks.set(left, right, this.#results.length);
    this.#results.push(result);
  }

  /** Merges the first `count` symbols of a word in place and returns how many are left. */
  apply(word: Int32Array, count: number): number {
    return count < longWord ? this.#applyByScan(word, count) : this.#applyByHeap(word, count);
  }

  /** Rank of the merge of two symbols. */
  #rank(left: number, right: number): number {
    const rank = this.#ranks.get(left, right);
    return rank < 0 ? none : rank;
  }

  #applyByScan(word: Int32Array, count: number): number {
    const ranks = this.#scratch;
    for (let i = 0; i + 1 < count; i++) ranks[i] = this.#rank(word[i], word[i + 1]);
    while (count > 1) {
      let best = 0;
      for (let i = 1; i + 1 < count; i++) if (ranks[i] < ranks[best]) best = i;
      if (ranks[best] === none) break;
      word[best] = this.#results[ranks[best]];
      count--;
      for (let i = best + 1; i < count; i++) {
        word[i] = word[i + 1];
        ranks[i] = ranks[i + 1];
      }
      if (best + 1 < count) ranks[best] = this.#rank(word[best], word[best + 1]);
      if (best > 0) ranks[best - 1] = this.#rank(word[best - 1], word[best]);
    }
    return count;
  }

  /** A list linked both ways under a heap of (rank, position); what a merge made stale is met and passed over. */
  #applyByHeap(word: Int32Array, count: number): number {
    const next = Int32Array.from({ length: count }, (_, i) => i + 1), previous = next.map((_, i) => i - 1);
    const ranks = new Int32Array(count).fill(none), heap = new Heap((a, b) => a < b);
    const offer = (at: number) => {
      ranks[at] = next[at] < count ? this.#rank(word[at], word[next[at]]) : none;
      if (ranks[at] !== none) heap.push(ranks[at] * positions + at);
    };
    for (let i = 0; i + 1 < count; i++) offer(i);
    for (let item = heap.pop(); item !== undefined; item = heap.pop()) {
      const at = item % positions;
      if (ranks[at] !== Math.floor(item / positions)) continue;
      const right = next[at];
      word[at] = this.#results[ranks[at]];
      ranks[right] = none;
      next[at] = next[right];
      if (next[at] < count) previous[next[at]] = at;
      offer(at);
      if (previous[at] >= 0) offer(previous[at]);
    }
    let left = 0;
    for (let at = 0; at < count; at = next[at]) word[left++] = word[at];
    return left;
  }
}
