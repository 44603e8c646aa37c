import { record } from "../scope.ts";
import { broadcastShapes, formatShape, resolveAxis, sameShape, sizeOf, stridesOf } from "../shape.ts";
import { empty, Tensor } from "../tensor.ts";
import { WeftError } from "../weft_error.ts";
import { fill } from "./copy.ts";
import { sumTo } from "./reduce.ts";
import { copyPart, stretch, stridedCopy } from "./strided_copy.ts";

/**
 * The same elements in another shape. One dimension may be −1: it takes what is left. Costs nothing: the memory
 * is shared.
 */
export function reshape(x: Tensor, shape: readonly number[]): Tensor {
  const known = sizeOf(shape.filter((extent) => extent !== -1));
  const resolved = shape.map((extent) => extent === -1 ? x.size / known : extent);
  const valid = resolved.every((extent) => Number.isInteger(extent) && extent >= 0) &&
    sizeOf(resolved) === x.size;
  if (!valid || shape.filter((extent) => extent === -1).length > 1) {
    throw new WeftError(
      `Cannot reshape ${formatShape(x.shape)} to ${formatShape(shape)}: both must have ${x.size} elements`,
    );
  }
  const view = new Tensor(x.gpu, x.storage, resolved, { dtype: x.dtype, label: "reshape output" });
  return record(view, [x], (dy) => [reshape(dy, x.shape)]);
}

/** Reorders the axes: axis i of the result is axis `order[i]` of `x`. */
export function permute(x: Tensor, order: readonly number[]): Tensor {
  const axes = order.map((axis) => resolveAxis("permute", axis, x.shape));
  if (new Set(axes).size !== x.shape.length || axes.length !== x.shape.length) {
    throw new WeftError(
      `Cannot permute ${formatShape(x.shape)} by (${order.join(", ")}): each axis must be named once`,
    );
  }
  const strides = stridesOf(x.shape);
  const y = stridedCopy(
    "permute",
    x,
    axes.map((axis) => x.shape[axis]),
    axes.map((axis) => strides[axis]),
    0,
  );
  const inverse = axes.map((_, axis) => axes.indexOf(axis));
  return record(y, [x], (dy) => [permute(dy, inverse)]);
}

/** Exchanges two axes; by default the last two. */
export function transpose(x: Tensor, axes: readonly [number, number] = [-2, -1]): Tensor {
  const [a, b] = axes.map((axis) => resolveAxis("transpose", axis, x.shape));
  const order = x.shape.map((_, axis) => axis === a ? b : axis === b ? a : axis);
  return permute(x, order);
}

/** Where a slice begins and ends along its axis. */
export interface SliceOptions {
  /** The axis that is cut. Default: the first. */
  readonly axis?: number;
  /** First index, negative ones counted from the end. Default: 0. */
  readonly start?: number;
  /** The index after the last one, negative ones counted from the end. Default: the axis's size. */
  readonly end?: number;
}

/** The part of `x` from `start` to before `end` along an axis. Gradient: zeros around `dy`. */
export function slice(x: Tensor, options: SliceOptions): Tensor {
  const axis = resolveAxis("slice", options.axis ?? 0, x.shape);
  const extent = x.shape[axis];
  const start = fromEnd(options.start ?? 0, extent), end = fromEnd(options.end ?? extent, extent);
  if (!(Number.isInteger(start) && Number.isInteger(end) && start >= 0 && start <= end && end <= extent)) {
    throw new WeftError(
      `Cannot slice ${formatShape(x.shape)} along axis ${axis} from ${options.start ?? 0} to ${
        options.end ?? extent
      }: ` +
        `the bounds must be in order and within 0 to ${extent}`,
    );
  }
  if (start === 0 && end === extent) return reshape(x, x.shape);
  const shape = x.shape.with(axis, end - start);
  const strides = stridesOf(x.shape), offset = start * strides[axis];
  const y = stridedCopy("slice", x, shape, strides, offset);
  return record(y, [x], (dy) => {
    const dx = fill(x.gpu, x.shape, 0, { dtype: x.dtype, label: "gradient of slice" });
    copyPart(dy, dx, {
      shape,
      xStrides: stridesOf(shape),
      outStrides: strides,
      xOffset: 0,
      outOffset: offset,
    });
    return [dx];
  });
}

/** Joins tensors along an axis; all other dimensions must agree. */
export function concat(parts: readonly Tensor[], axis = 0): Tensor {
  if (parts.length === 0) throw new WeftError("Cannot run concat on no tensors");
  const [first] = parts;
  const along = resolveAxis("concat", axis, first.shape);
  for (const part of parts) {
    const agrees = part.dtype === first.dtype && part.shape.length === first.shape.length &&
      sameShape(part.shape.with(along, 0), first.shape.with(along, 0));
    if (!agrees) {
      throw new WeftError(
        `Cannot run concat along axis ${along} as one part is ${first.dtype} ${formatShape(first.shape)} and another ` +
          `${part.dtype} ${formatShape(part.shape)}: all other dimensions and the types must agree`,
      );
    }
  }
  const total = parts.reduce((sum, part) => sum + part.shape[along], 0);
  const out = empty(first.gpu, first.shape.with(along, total), {
    dtype: first.dtype,
    label: "concat output",
  });
  const outStrides = stridesOf(out.shape);
  const starts: number[] = [];
  let start = 0;
  for (const part of parts) {
    const outOffset = start * outStrides[along];
    copyPart(part, out, {
      shape: part.shape,
      xStrides: stridesOf(part.shape),
      outStrides,
      xOffset: 0,
      outOffset,
    });
    starts.push(start);
    start += part.shape[along];
  }
  return record(
    out,
    parts,
    (dy) =>
      parts.map((part, i) =>
        part.requiresGrad ? slice(dy, { axis: along, start: starts[i], end: starts[i] + part.shape[along] }) : undefined
      ),
  );
}

/** Stretches dimensions of size 1, and adds leading ones, until the shape is reached. Gradient: their sum. */
export function expand(x: Tensor, shape: readonly number[]): Tensor {
  if (!sameShape(broadcastShapes("expand", x.shape, shape), shape)) {
    throw new WeftError(
      `Cannot expand ${formatShape(x.shape)} to ${formatShape(shape)}: only dimensions of 1 stretch`,
    );
  }
  return record(stretch(x, x.shape, shape), [x], (dy) => [sumTo(dy, x.shape)]);
}

function fromEnd(index: number, extent: number): number {
  return index < 0 ? index + extent : index;
}
