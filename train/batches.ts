import { randomU32, randomWords } from "../engine/random.ts";
import { WeftError } from "../engine/weft_error.ts";
import { DocumentChunks, notCounted } from "./document_chunks.ts";
import type { TokenSource } from "./token_shards.ts";

/** Splits tokens in two at `floor(fraction · n)`: those to learn from, and those that are never seen. */
export function splitTokens(
  tokens: Int32Array<ArrayBuffer>,
  fraction = 0.9,
): { train: Int32Array<ArrayBuffer>; validation: Int32Array<ArrayBuffer> } {
  const at = Math.floor(fraction * tokens.length);
  return { train: tokens.slice(0, at), validation: tokens.slice(at) };
}

/** Which chunks are drawn. */
export interface BatchesOptions {
  /** Sequences of a batch. */
  readonly batchSize: number;
  /** Tokens of a sequence. */
  readonly blockSize: number;
  /** Seed of the run. */
  readonly seed: number;
  /**
   * "random" draws chunks that begin anywhere, as nanoGPT does. "permutation" cuts the tokens into chunks that follow
   * each other and goes through them in a random order, each once in an epoch. Default: "random".
   */
  readonly order?: "random" | "permutation";
  /**
   * Id that ends documents. With it each chunk is of one document, cut from its beginning on; what is left of a row
   * behind a document's end has the target −100, which cross-entropy does not count. Every chunk is drawn as often as
   * its length says: full ones once in an epoch of the order "permutation", shorter ones, at the end of documents, in
   * some epochs. Default: documents are not told apart.
   */
  readonly endOfText?: number;
  /** Tells the batches of one purpose from those of another. Default: 0. */
  readonly stream?: number;
  /** What the tokens are, for messages. Default: "text". */
  readonly name?: string;
}

/**
 * Chunks of a long sequence of tokens, with targets that are the inputs shifted by one. The batch of a number is a
 * function of the seed, the stream and that number alone: a resumed run needs to remember nothing but the step.
 *
 * @example
 * ```ts
 * import { Batches } from "./batches.ts";
 * const batches = new Batches(new Int32Array(100).map((_, i) => i), { batchSize: 2, blockSize: 4, seed: 1 });
 * const { x, y } = batches.at(0);
 * console.log(x.length, y[0] - x[0]); // 8, 1
 * ```
 */
export class Batches {
  /** Sequences of a batch. */
  readonly batchSize: number;
  /** Tokens of a sequence. */
  readonly blockSize: number;
  /** Chunks of an epoch in the order "permutation"; of random ones, how many positions may be drawn. */
  readonly chunks: number;
  #tokens: TokenSource;
  #documents?: DocumentChunks;
  #options: BatchesOptions;
  /** A chunk with its last target; and the inputs and the targets in it. */
  #row: Int32Array<ArrayBuffer>;
  #inputs: Int32Array<ArrayBuffer>;
  #targets: Int32Array<ArrayBuffer>;

  /**
   * Batches of these tokens.
   *
   * @throws {WeftError} when there are too few tokens for one sequence and its targets.
   */
  constructor(tokens: Int32Array<ArrayBuffer> | TokenSource, options: BatchesOptions) {
    const { batchSize, blockSize, order = "random", endOfText, name = "text" } = options;
    if (tokens.length < blockSize + 1) {
      throw new WeftError(
        `The ${name} has ${tokens.length} tokens: block_size ${blockSize} needs at least ${blockSize + 1}; ` +
          `take a longer text or a smaller block_size`,
      );
    }
    this.batchSize = batchSize;
    this.blockSize = blockSize;
    // the last chunk leaves room for the last target
    const positions = tokens.length - (endOfText === undefined ? blockSize : 1);
    this.chunks = order === "random" ? positions : Math.floor((tokens.length - 1) / blockSize);
    this.#tokens = tokens instanceof Int32Array ? inMemory(tokens) : tokens;
    if (endOfText !== undefined) this.#documents = new DocumentChunks(this.#tokens, blockSize, endOfText);
    this.#options = options;
    this.#row = new Int32Array(blockSize + 1);
    this.#inputs = this.#row.subarray(0, blockSize);
    this.#targets = this.#row.subarray(1);
  }

  /** Inputs and targets of the batch of that number: batchSize · blockSize each, row-major. */
  at(index: number): { x: Int32Array<ArrayBuffer>; y: Int32Array<ArrayBuffer> } {
    const { batchSize, blockSize } = this;
    const x = new Int32Array(batchSize * blockSize), y = new Int32Array(batchSize * blockSize);
    for (let i = 0; i < batchSize; i++) {
      const position = this.#position(index * batchSize + i);
      const counted = this.#documents?.copyTo(this.#row, position) ?? blockSize;
      if (this.#documents === undefined) this.#tokens.copyTo(this.#row, position);
      x.set(this.#inputs, i * blockSize);
      y.set(this.#targets, i * blockSize);
      if (counted < blockSize) y.fill(notCounted, i * blockSize + counted, (i + 1) * blockSize);
    }
    return { x, y };
  }

  /** Where the chunk of a number begins, or, of documents, a position in it. */
  #position(number: number): number {
    const { chunks, blockSize } = this, { seed, stream = 0, order } = this.#options;
    if (order !== "permutation") {
      const [high, low] = randomWords(seed, stream, number); // 32 bits cannot tell 9 billion tokens apart
      return Math.floor((high + low / 2 ** 32) / 2 ** 32 * chunks);
    }
    const epoch = Math.floor(number / chunks);
    // numbers of an epoch and a round come after those of all other purposes
    const random = (round: number, index: number) => randomU32(seed, stream + 16 * (1 + rounds * epoch + round), index);
    const start = blockSize * permuted(number % chunks, chunks, random);
    // Positions that are blockSize apart fall into each full chunk once, and into shorter ones as their length says:
    // into others of these in the next epoch.
    return this.#documents === undefined ? start : start + random(0, 2 ** 32 - 1) % blockSize;
  }
}

const rounds = 4;

/**
 * Where a random permutation of 0 … n − 1 takes x: a Feistel network of four rounds on the next power of four, walked
 * along until it comes back below n (Black and Rogaway 2002). It is a bijection whatever the rounds do.
 */
function permuted(x: number, n: number, random: (round: number, half: number) => number): number {
  const bits = Math.max(1, Math.ceil(Math.log2(n) / 2)), size = 2 ** bits; // at most 2²⁷
  do {
    let left = Math.floor(x / size), right = x - left * size;
    for (let round = 0; round < rounds; round++) {
      const next = (left + random(round, right)) & (size - 1);
      left = right;
      right = next;
    }
    x = left * size + right;
  } while (x >= n);
  return x;
}

function inMemory(tokens: Int32Array<ArrayBuffer>): TokenSource {
  return {
    length: tokens.length,
    copyTo: (out, start) => out.set(tokens.subarray(start, start + out.length)),
  };
}
