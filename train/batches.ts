import { randomU32, randomWords } from "../engine/random.ts";
import { WeftError } from "../engine/weft_error.ts";
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
  /** Chunks of an epoch in the order "permutation"; of random ones, as many as there are places to begin. */
  readonly chunks: number;
  #tokens: TokenSource;
  #options: BatchesOptions;
  #row: Int32Array<ArrayBuffer>;

  /**
   * Batches of these tokens.
   *
   * @throws {WeftError} when there are too few tokens for one sequence and its targets.
   */
  constructor(tokens: Int32Array<ArrayBuffer> | TokenSource, options: BatchesOptions) {
    const { batchSize, blockSize, order = "random", name = "text" } = options;
    if (tokens.length < blockSize + 1) {
      throw new WeftError(
        `The ${name} has ${tokens.length} tokens: block_size ${blockSize} needs at least ${blockSize + 1}; ` +
          `take a longer text or a smaller block_size`,
      );
    }
    this.batchSize = batchSize;
    this.blockSize = blockSize;
    // the last chunk leaves room for the last target
    this.chunks = order === "random" ? tokens.length - blockSize : Math.floor((tokens.length - 1) / blockSize);
    this.#tokens = tokens instanceof Int32Array ? inMemory(tokens) : tokens;
    this.#options = options;
    this.#row = new Int32Array(blockSize + 1);
  }

  /** Inputs and targets of the batch of that number: batchSize · blockSize each, row-major. */
  at(index: number): { x: Int32Array<ArrayBuffer>; y: Int32Array<ArrayBuffer> } {
    const { batchSize, blockSize } = this;
    const x = new Int32Array(batchSize * blockSize), y = new Int32Array(batchSize * blockSize);
    for (let i = 0; i < batchSize; i++) {
      const row = this.#row;
      this.#tokens.copyTo(row, this.#start(index * batchSize + i));
      x.set(row.subarray(0, blockSize), i * blockSize);
      y.set(row.subarray(1), i * blockSize);
    }
    return { x, y };
  }

  /** Where the chunk of a number begins. */
  #start(number: number): number {
    const { chunks, blockSize } = this, { seed, stream = 0, order } = this.#options;
    if (order !== "permutation") {
      const [high, low] = randomWords(seed, stream, number); // 32 bits cannot tell 9 billion tokens apart
      return Math.floor((high + low / 2 ** 32) / 2 ** 32 * chunks);
    }
    const epoch = Math.floor(number / chunks);
    return blockSize * permuted(number % chunks, chunks, (round, half) =>
      // numbers of an epoch and a round come after those of all other purposes
      randomU32(seed, stream + 16 * (1 + rounds * epoch + round), half));
  }
}

const rounds = 4;

/**
 * Where a random permutation of 0 … n − 1 takes x: a Feistel network of four rounds on the next power of four, walked
 * along until it comes back below n (Black and Rogaway 2002). It is a bijection whatever the rounds do.
 */
function permuted(x: number, n: number, random: (round: number, half: number) => number): number {
  const bits = Math.max(1, Math.ceil(Math.log2(n) / 2)), size = 2 ** bits;
  do {
    let left = Math.floor(x / size), right = x % size;
    for (let round = 0; round < rounds; round++) {
      [left, right] = [right, (left + random(round, right)) % size];
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
