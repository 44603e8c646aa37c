import type { TokenSource } from "./token_shards.ts";

/** The target of a position that is not counted: what cross-entropy leaves out. */
export const notCounted = -100;

/** How many chunks back the beginning of a document is looked for. */
const reach = 16;

/**
 * Chunks that hold one document each. A document is an end-of-text token, from which its first token is predicted, and
 * what follows up to the next one, which is the last target. It is cut into chunks from its beginning on; its last
 * chunk is filled up with positions that are not counted. So no token is predicted from another document's.
 *
 * There is no list of documents: a chunk is found from any position in it, by looking back for the document's
 * beginning. Where that is 16 chunks away or more, the chunk begins at the position itself.
 *
 * @example
 * ```ts
 * import { Batches } from "./batches.ts";
 * const tokens = Int32Array.of(5, 6, 0, 7, 0, 8, 9, 0);
 * const batches = new Batches(tokens, { batchSize: 1, blockSize: 4, seed: 1, endOfText: 0 });
 * console.log(batches.at(0)); // x: 5 6 0 0, 0 7 0 0 or 0 8 9 0; y: 6 0 −100 −100, 7 0 −100 −100 or 8 9 0 −100
 * ```
 */
export class DocumentChunks {
  #tokens: TokenSource;
  #blockSize: number;
  #endOfText: number;
  #window: Int32Array<ArrayBuffer>;

  /** Chunks of up to `blockSize` tokens, of documents that `endOfText` parts. */
  constructor(tokens: TokenSource, blockSize: number, endOfText: number) {
    this.#tokens = tokens;
    this.#blockSize = blockSize;
    this.#endOfText = endOfText;
    this.#window = new Int32Array(reach * blockSize);
  }

  /**
   * Copies the chunk that holds a position, any but that of the last token, with the target of its last token. Fills
   * the rest of the row with end-of-text tokens. Returns how many of its tokens have a target that is counted.
   */
  copyTo(row: Int32Array<ArrayBuffer>, position: number): number {
    const start = this.#startOf(position), there = Math.min(row.length, this.#tokens.length - start);
    this.#tokens.copyTo(there < row.length ? row.subarray(0, there) : row, start);
    const end = row.subarray(0, there).indexOf(this.#endOfText, 1), count = end < 0 ? there - 1 : end;
    row.fill(this.#endOfText, count + 1);
    return count;
  }

  /** Where the chunk begins that holds a position. */
  #startOf(position: number): number {
    const far = Math.max(-1, position - reach * this.#blockSize); // a beginning there is too far away
    let from = position + 1;
    for (let size = 512; from > far + 1; size *= 2) { // most are near
      const to = from;
      from = Math.max(far + 1, to - size);
      const window = this.#window.subarray(0, to - from);
      this.#tokens.copyTo(window, from);
      const found = window.lastIndexOf(this.#endOfText);
      if (found >= 0) return position - (position - from - found) % this.#blockSize;
    }
    return far < 0 ? position - position % this.#blockSize : position; // the first document has nothing before it
  }
}
