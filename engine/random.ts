/**
 * The hash behind all random numbers: pcg4d (Jarzynski & Olano, "Hash Functions for GPU Rendering", 2020), on four
 * unsigned 32-bit words. Shaders compute the same.
 */
export function pcg4d(x: number, y: number, z: number, w: number): [number, number, number, number] {
  // sums wrap in int32, whose bits are those of uint32; no array is made, as loaders take millions of numbers a second
  let a = (Math.imul(x, 1664525) + 1013904223) | 0, b = (Math.imul(y, 1664525) + 1013904223) | 0;
  let c = (Math.imul(z, 1664525) + 1013904223) | 0, d = (Math.imul(w, 1664525) + 1013904223) | 0;
  for (let round = 0;; round++) {
    a = (a + Math.imul(b, d)) | 0;
    b = (b + Math.imul(c, a)) | 0;
    c = (c + Math.imul(a, b)) | 0;
    d = (d + Math.imul(b, c)) | 0;
    if (round === 1) return [a >>> 0, b >>> 0, c >>> 0, d >>> 0];
    a ^= a >>> 16;
    b ^= b >>> 16;
    c ^= c >>> 16;
    d ^= d >>> 16;
  }
}

/**
 * Four random 32-bit words as a function of a seed (a whole number from 0 to 2^53 − 1), a stream and an index: no
 * state, so any of them can be computed again.
 */
export function randomWords(seed: number, stream: number, index: number): [number, number, number, number] {
  // Seeds and indices have up to 53 bits: their high words go where the low word of another seed cannot follow.
  const high = Math.floor(seed / 2 ** 32) * 0x9e3779b1 + Math.floor(index / 2 ** 32) * 0x85ebca6b;
  return pcg4d(seed, stream, index, high);
}

/** A random whole number from 0 to 2^32 − 1. */
export function randomU32(seed: number, stream: number, index: number): number {
  return randomWords(seed, stream, index)[0];
}

/** A random number from 0 to below 1, a multiple of 2^−24. */
export function randomUniform(seed: number, stream: number, index: number): number {
  return (randomU32(seed, stream, index) >>> 8) / 2 ** 24;
}

/** Which normal numbers are drawn. */
export interface NormalOptions {
  /** Seed of the run. */
  readonly seed: number;
  /** Tells the numbers of one purpose from those of another. */
  readonly stream: number;
  /** Their mean. Default: 0. */
  readonly mean?: number;
  /** Their standard deviation. Default: 1. */
  readonly std?: number;
}

/**
 * Normally distributed numbers by Box & Muller's method, computed in float64: the same on every adapter.
 *
 * @example
 * ```ts
 * import { randomNormals } from "./random.ts";
 * const weights = randomNormals(1000, { seed: 1337, stream: 0, std: 0.02 });
 * console.log(weights.length);
 * ```
 */
export function randomNormals(count: number, options: NormalOptions): Float32Array<ArrayBuffer> {
  const { seed, stream, mean = 0, std = 1 } = options;
  const values = new Float32Array(count);
  for (let i = 0; i < count; i += 2) {
    const [a, b] = randomWords(seed, stream, i / 2);
    const radius = std * Math.sqrt(-2 * Math.log((a + 1) / 2 ** 32)); // the argument is above 0
    const angle = 2 * Math.PI * b / 2 ** 32;
    values[i] = mean + radius * Math.cos(angle);
    if (i + 1 < count) values[i + 1] = mean + radius * Math.sin(angle);
  }
  return values;
}

/** Keys one after the other for random masks. Its state is (seed, counter). */
export class RandomStream {
  /** Seed of the run. */
  readonly seed: number;
  /** How many keys were taken: part of a checkpoint. */
  counter: number;

  /** A stream that starts at a counter. */
  constructor(seed: number, counter = 0) {
    this.seed = seed;
    this.counter = counter;
  }

  /** The next key. */
  next(): { seed: number; counter: number } {
    return { seed: this.seed, counter: this.counter++ };
  }
}
