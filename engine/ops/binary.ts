import source from "../../shaders/binary.wgsl" with { type: "text" };
import { defineShader } from "../kernel.ts";
import { inParts } from "../parts.ts";
import { run } from "../run.ts";
import { record } from "../scope.ts";
import { broadcastShapes, sameShape, sizeOf, stridesOf } from "../shape.ts";
import { empty, type Tensor } from "../tensor.ts";
import { WeftError } from "../weft_error.ts";
import { sumTo } from "./reduce.ts";
import { scale } from "./unary.ts";

const shader = defineShader("binary.wgsl", source);
const OP = { add: 0, sub: 1, mul: 2, div: 3, divisorGradient: 4 } as const;
const flat = { shape: [], a_strides: [], b_strides: [] };

/** `a + b`, broadcasting. Gradient: that of the sum, summed over stretched dimensions. */
export function add(a: Tensor, b: Tensor): Tensor {
  return record(combine("add", a, b), [a, b], (dy) => [sumTo(dy, a.shape), sumTo(dy, b.shape)]);
}

/** `a − b`, broadcasting. */
export function sub(a: Tensor, b: Tensor): Tensor {
  return record(combine("sub", a, b), [a, b], (dy) => [
    sumTo(dy, a.shape),
    b.requiresGrad ? sumTo(scale(dy, -1), b.shape) : undefined,
  ]);
}

/** `a × b` element by element, broadcasting. Gradients: `dy·b` and `dy·a`. */
export function mul(a: Tensor, b: Tensor): Tensor {
  return record(combine("mul", a, b), [a, b], (dy) => [
    a.requiresGrad ? sumTo(combine("mul", dy, b), a.shape) : undefined,
    b.requiresGrad ? sumTo(combine("mul", dy, a), b.shape) : undefined,
  ]);
}

/** `a ÷ b` element by element, broadcasting. Gradients: `dy/b` and `−dy·a/b²`. */
export function div(a: Tensor, b: Tensor): Tensor {
  return record(combine("div", a, b), [a, b], (dy) => [
    a.requiresGrad ? sumTo(combine("div", dy, b), a.shape) : undefined,
    b.requiresGrad ? sumTo(combine("divisorGradient", combine("mul", dy, a), b), b.shape) : undefined,
  ]);
}

/** Adds `x` to `target` in place. Only gradients are changed in place, so it is not recorded. */
export function accumulate(target: Tensor, x: Tensor): void {
  inParts({ a: x, out: target }, (parts, size) => {
    run(shader, "accumulate", parts, { threads: Math.ceil(size / 4), params: { size, ...flat } });
  });
}

function combine(op: keyof typeof OP, a: Tensor, b: Tensor): Tensor {
  for (const [name, operand] of [["a", a], ["b", b]] as const) {
    if (operand.dtype !== "f32" && operand.dtype !== "f16") {
      throw new WeftError(`Cannot run ${op} as ${name} is ${operand.dtype}: it must be f32 or f16`);
    }
  }
  const shape = broadcastShapes(op, a.shape, b.shape);
  const out = empty(a.gpu, shape, { dtype: a.dtype, label: `${op} output` });
  const constants = { OP: OP[op] };
  if (sameShape(a.shape, b.shape)) {
    inParts({ a, b, out }, (parts, size) => {
      run(shader, "same", parts, { threads: Math.ceil(size / 4), params: { size, ...flat }, constants });
    });
    return out;
  }
  run(shader, "broadcast", { a_any: a, b_any: b, out_any: out }, {
    threads: out.size,
    params: { size: out.size, ...broadcastStrides(op, shape, a.shape, b.shape) },
    constants,
  });
  return out;
}

/** Strides of both operands over the output's dimensions, the last first; neighbours that step alike are merged. */
function broadcastStrides(
  op: string,
  shape: readonly number[],
  a: readonly number[],
  b: readonly number[],
): { shape: number[]; a_strides: number[]; b_strides: number[] } {
  const merged = { shape: [] as number[], a_strides: [] as number[], b_strides: [] as number[] };
  const strides = [stridesOf(a), stridesOf(b)];
  for (let i = 1; i <= shape.length; i++) {
    const extent = shape[shape.length - i];
    if (extent === 1) continue;
    const [sa, sb] = [a, b].map((own, k) => (own.at(-i) ?? 1) === 1 ? 0 : strides[k].at(-i)!);
    const last = merged.shape.length - 1;
    const continues = last >= 0 && sa === merged.a_strides[last] * merged.shape[last] &&
      sb === merged.b_strides[last] * merged.shape[last];
    if (continues) {
      merged.shape[last] *= extent;
    } else {
      merged.shape.push(extent);
      merged.a_strides.push(sa);
      merged.b_strides.push(sb);
    }
  }
  if (merged.shape.length > 8) {
    throw new WeftError(
      `Cannot run ${op} over more than 8 dimensions that stretch in turn (${sizeOf(shape)} elements)`,
    );
  }
  return merged;
}
