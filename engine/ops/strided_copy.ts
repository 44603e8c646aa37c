import source from "../../shaders/strided_copy.wgsl" with { type: "text" };
import { defineShader } from "../kernel.ts";
import { run } from "../run.ts";
import { sizeOf, stridesOf } from "../shape.ts";
import { empty, type Tensor } from "../tensor.ts";
import { WeftError } from "../weft_error.ts";

const shader = defineShader("strided_copy.wgsl", source);

/** How `copyPart` steps through both tensors over a shape; all in elements, outermost dimension first. */
export interface StridedPart {
  /** The coordinates that are visited. */
  readonly shape: readonly number[];
  /** Step in the source for each dimension; 0 repeats. */
  readonly xStrides: readonly number[];
  /** Step in the target for each dimension. */
  readonly outStrides: readonly number[];
  /** Where the source begins. */
  readonly xOffset: number;
  /** Where the target begins. */
  readonly outOffset: number;
}

/** Copies elements of `x` into `out`, as `part` steps through both. Not recorded. */
export function copyPart(x: Tensor, out: Tensor, part: StridedPart): void {
  if (part.shape.length > 8) {
    throw new WeftError(`Cannot copy ${part.shape.length} dimensions: 8 are allowed`);
  }
  run(shader, "main", { x, out }, {
    threads: sizeOf(part.shape),
    params: {
      size: sizeOf(part.shape),
      x_offset: part.xOffset,
      out_offset: part.outOffset,
      shape: [...part.shape].reverse(),
      x_strides: [...part.xStrides].reverse(),
      out_strides: [...part.outStrides].reverse(),
    },
  });
}

/** A new tensor of the given shape, gathered from `x` by strides. Not recorded. */
export function stridedCopy(
  op: string,
  x: Tensor,
  shape: readonly number[],
  xStrides: readonly number[],
  xOffset: number,
): Tensor {
  const out = empty(x.gpu, shape, { dtype: x.dtype, label: `${op} output` });
  copyPart(x, out, { shape, xStrides, outStrides: stridesOf(shape), xOffset, outOffset: 0 });
  return out;
}

/** The elements of `x`, read as if its shape were `from`, stretched along dimensions of 1 to `to`. Not recorded. */
export function stretch(x: Tensor, from: readonly number[], to: readonly number[]): Tensor {
  const own = stridesOf(from);
  const strides = to.map((_, i) => {
    const axis = i - (to.length - from.length);
    return axis < 0 || from[axis] === 1 ? 0 : own[axis];
  });
  return stridedCopy("expand", x, to, strides, 0);
}
