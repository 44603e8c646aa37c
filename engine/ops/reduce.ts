import source from "../../shaders/reduce.wgsl" with { type: "text" };
import type { DType } from "../host_tensor.ts";
import { defineShader } from "../kernel.ts";
import { run } from "../run.ts";
import { record } from "../scope.ts";
import { resolveAxis, sameShape, sizeOf, stridesOf } from "../shape.ts";
import { empty, type Tensor } from "../tensor.ts";
import { WeftError } from "../weft_error.ts";
import { stretch } from "./strided_copy.ts";
import { scale } from "./unary.ts";

const shader = defineShader("reduce.wgsl", source);

/** Over which axes a reduction goes, and what becomes of them. */
export interface ReduceOptions {
  /** The axes to reduce, negative ones counted from the end. Default: all. */
  readonly axes?: readonly number[];
  /** Whether reduced axes stay with size 1. Default: no. */
  readonly keepDims?: boolean;
}

/** Sum over axes. Gradient: `dy`, stretched. */
export function sum(x: Tensor, options: ReduceOptions = {}): Tensor {
  const { axes, kept, shape } = plan("sum", x, options);
  return record(reduce("sum", x, axes, shape), [x], (dy) => [stretch(dy, kept, x.shape)]);
}

/** Mean over axes. */
export function mean(x: Tensor, options: ReduceOptions = {}): Tensor {
  const { axes, kept, shape } = plan("mean", x, options);
  const count = x.size / sizeOf(shape);
  return record(reduce("sum", x, axes, shape, { factor: 1 / count }), [x], (dy) => [
    stretch(scale(dy, 1 / count), kept, x.shape),
  ]);
}

/** Maximum over axes. Where several elements attain it, each gets an equal share of the gradient. */
export function max(x: Tensor, options: ReduceOptions = {}): Tensor {
  const { axes, kept, shape } = plan("max", x, options);
  if (x.size === 0) throw new WeftError("Cannot run max over no elements");
  const maximum = reduce("max", x, axes, shape);
  return record(maximum, [x], (dy) => {
    const tied = reduce("ties", x, axes, shape, { maximum });
    const dx = empty(x.gpu, x.shape, { label: "gradient of max" });
    const strides = stridesOf(kept).map((stride, axis) => axes.includes(axis) ? 0 : stride);
    run(shader, "max_backward", { x, maximum, dy, tied, out: dx }, {
      threads: x.size,
      params: {
        outputs: x.size,
        stretches: 1,
        chunk: 1,
        reduced: 1,
        factor: 1,
        kept_shape: [...x.shape].reverse(),
        kept_strides: strides.reverse(),
        reduced_shape: [],
        reduced_strides: [],
      },
    });
    return [dx];
  });
}

/**
 * Sums the dimensions along which `shape` was stretched to that of `x`: the gradient of broadcasting. Sums are f32, whatever
 * type they are stored in.
 */
export function sumTo(x: Tensor, shape: readonly number[], dtype: DType = x.dtype): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const missing = x.shape.length - shape.length;
  const axes = x.shape.map((_, axis) => axis)
    .filter((axis) => axis < missing || (shape[axis - missing] === 1 && x.shape[axis] !== 1));
  return reduce("sum", x, axes, shape, { dtype });
}

/** Writes the sum over the first dimension of `x` into `out`, which has the others. Not recorded. */
export function sumInto(out: Tensor, x: Tensor): void {
  reduce("sum", x, [0], x.shape.slice(1), { into: out });
}

function plan(
  op: string,
  x: Tensor,
  options: ReduceOptions,
): { axes: number[]; kept: number[]; shape: number[] } {
  if (x.dtype !== "f32") throw new WeftError(`Cannot run ${op} as x is ${x.dtype}: it must be f32`);
  if (x.shape.length > 8) {
    throw new WeftError(`Cannot run ${op} over ${x.shape.length} dimensions: 8 are allowed`);
  }
  const axes = options.axes?.map((axis) => resolveAxis(op, axis, x.shape)) ?? x.shape.map((_, axis) => axis);
  if (new Set(axes).size !== axes.length) {
    throw new WeftError(`Cannot run ${op} along an axis twice: ${axes.join(", ")}`);
  }
  const kept = x.shape.map((extent, axis) => axes.includes(axis) ? 1 : extent);
  const shape = options.keepDims ? kept : x.shape.filter((_, axis) => !axes.includes(axis));
  return { axes, kept, shape };
}

function reduce(
  fold: "sum" | "max" | "ties",
  x: Tensor,
  axes: readonly number[],
  shape: readonly number[],
  options: { factor?: number; maximum?: Tensor; into?: Tensor; dtype?: DType } = {},
): Tensor {
  const strides = stridesOf(x.shape);
  const pick = (reduced: boolean) => {
    const dims = x.shape.map((_, axis) => axis).filter((axis) => axes.includes(axis) === reduced).reverse();
    return mergeDimensions(dims.map((axis) => x.shape[axis]), dims.map((axis) => strides[axis]));
  };
  const [kept, reduced] = [pick(false), pick(true)];
  const outputs = sizeOf(shape), count = x.size / Math.max(1, outputs);
  const longest = 32_768; // of a loop: well within Gpu.loopLimit
  // Enough invocations to fill a GPU, each with enough to do.
  const stretches = Math.max(
    1,
    Math.min(Math.ceil(8192 / Math.max(1, outputs)), Math.ceil(count / 64)),
    Math.ceil(count / longest),
  );
  const chunk = Math.max(1, Math.ceil(count / stretches));
  const params = {
    outputs,
    stretches,
    chunk,
    reduced: count,
    factor: stretches === 1 ? options.factor ?? 1 : 1,
    kept_shape: kept.shape,
    kept_strides: kept.strides,
    reduced_shape: reduced.shape.length ? reduced.shape : [1],
    reduced_strides: reduced.strides,
  };
  const out = stretches === 1 && options.into ||
    empty(x.gpu, stretches === 1 ? shape : [stretches, ...shape], {
      dtype: stretches === 1 ? options.dtype : "f32",
      label: `${fold} output`,
    });
  const threads = outputs * stretches;
  if (options.maximum) run(shader, "ties", { x, maximum: options.maximum, out }, { threads, params });
  else {run(shader, "forward", { x, out }, {
      threads,
      params,
      constants: { MAXIMUM: fold === "max" ? 1 : 0 },
    });}
  if (stretches === 1) return out;
  return reduce(fold === "ties" ? "sum" : fold, out, [0], shape, { ...options, maximum: undefined });
}

/** Joins neighbouring dimensions that one stride steps through. Innermost first. */
function mergeDimensions(shape: number[], strides: number[]): { shape: number[]; strides: number[] } {
  const merged = { shape: [] as number[], strides: [] as number[] };
  shape.forEach((extent, i) => {
    if (extent === 1) return;
    const last = merged.shape.length - 1;
    if (last >= 0 && strides[i] === merged.strides[last] * merged.shape[last]) merged.shape[last] *= extent;
    else {
      merged.shape.push(extent);
      merged.strides.push(strides[i]);
    }
  });
  return merged;
}
