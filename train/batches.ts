import { randomU32 } from "../engine/random.ts";
import { WeftError } from "../engine/weft_error.ts";

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
  /** Tells the batches of one purpose from those of another. Default: 0. */
  readonly stream?: number;
  /** What the tokens are, for messages. Default: "text". */
  readonly name?: string;
}

/**
 * Random chunks of a long sequence of tokens, with targets that are the inputs shifted by one. The batch of a number
 * is a function of the seed, the stream and that number alone: a resumed run needs to remember nothing but the step.
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
  #tokens: Int32Array<ArrayBuffer>;
  #seed: number;
  #stream: number;

  /**
   * Batches of these tokens.
   *
   * @throws {WeftError} when there are too few tokens for one sequence and its targets.
   */
  constructor(tokens: Int32Array<ArrayBuffer>, options: BatchesOptions) {
    const { batchSize, blockSize, seed, stream = 0, name = "text" } = options;
    if (tokens.length < blockSize + 1) {
      throw new WeftError(
        `The ${name} has ${tokens.length} tokens: block_size ${blockSize} needs at least ${blockSize + 1}; ` +
          `take a longer text or a smaller block_size`,
      );
    }
    this.batchSize = batchSize;
    this.blockSize = blockSize;
    this.#tokens = tokens;
    this.#seed = seed;
    this.#stream = stream;
  }

  /** Inputs and targets of the batch of that number: batchSize · blockSize each, row-major. */
  at(index: number): { x: Int32Array<ArrayBuffer>; y: Int32Array<ArrayBuffer> } {
    const { batchSize, blockSize } = this;
    const x = new Int32Array(batchSize * blockSize), y = new Int32Array(batchSize * blockSize);
    const starts = this.#tokens.length - blockSize; // the last one leaves room for the last target
    for (let row = 0; row < batchSize; row++) {
      const draw = randomU32(this.#seed, this.#stream, index * batchSize + row);
      const start = Math.floor(draw / 2 ** 32 * starts);
      x.set(this.#tokens.subarray(start, start + blockSize), row * blockSize);
      y.set(this.#tokens.subarray(start + 1, start + 1 + blockSize), row * blockSize);
    }
    return { x, y };
  }
}
