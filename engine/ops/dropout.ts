import source from "../../shaders/dropout.wgsl" with { type: "text" };
import { defineShader } from "../kernel.ts";
import { run } from "../run.ts";
import { record } from "../scope.ts";
import { pcg4d } from "../shader_parts.ts";
import { empty, type Tensor } from "../tensor.ts";
import { WeftError } from "../weft_error.ts";

const shader = defineShader("dropout.wgsl", source, [pcg4d]);

/** What a random mask is a function of. `RandomStream.next()` gives one after the other. */
export interface RandomKey {
  /** The seed of the run: a whole number from 0 to 2^53 − 1. */
  readonly seed: number;
  /** Distinguishes the masks of one run: a whole number from 0 to 2^32 − 1. */
  readonly counter: number;
}

/** Dropout inside another operation. */
export interface DropoutOptions {
  /** Probability of dropping, from 0 to below 1. */
  readonly p: number;
  /** Key of the mask. */
  readonly key: RandomKey;
}

/**
 * Zeroes each element with probability `p` and divides the others by 1 − p (Srivastava et al. 2014). The mask is a
 * function of `key` and the index alone: it is computed again in backward, never stored.
 *
 * @throws {WeftError} when `p` is not from 0 to below 1.
 */
export function dropout(x: Tensor, p: number, key: RandomKey): Tensor {
  const params = { size: x.size, ...dropoutParams({ p, key }) };
  if (p === 0) return x;
  const apply = (input: Tensor): Tensor => {
    const out = empty(x.gpu, x.shape, { dtype: x.dtype, label: "dropout output" });
    run(shader, "main", { x: input, out }, { threads: Math.ceil(x.size / 4), params });
    return out;
  };
  return record(apply(x), [x], (dy) => [apply(dy)]);
}

/** The parameters that a shader with dropout takes. */
export function dropoutParams(
  options: DropoutOptions | undefined,
): { drop: number; seed: number; seed_high: number; counter: number } {
  const { p, key } = options ?? { p: 0, key: { seed: 0, counter: 0 } };
  if (!(p >= 0 && p < 1)) {
    throw new WeftError(`Cannot drop with probability ${p}: it must be from 0 to below 1`);
  }
  return {
    drop: p,
    seed: key.seed % 2 ** 32,
    seed_high: Math.floor(key.seed / 2 ** 32),
    counter: key.counter % 2 ** 32,
  };
}
