import source from "../../shaders/unary.wgsl" with { type: "text" };
import { defineShader } from "../kernel.ts";
import { run } from "../run.ts";
import { record } from "../scope.ts";
import { empty, type Tensor } from "../tensor.ts";
import { WeftError } from "../weft_error.ts";

const shader = defineShader("unary.wgsl", source);
const FUNCTION = {
  affine: 0,
  relu: 1,
  silu: 2,
  sigmoid: 3,
  tanh: 4,
  exp: 5,
  log: 6,
  sqrt: 7,
  pow: 8,
} as const;

/** `x · factor + offset` with two numbers. */
export function scale(x: Tensor, factor: number, offset = 0): Tensor {
  return unary("affine", x, factor, offset);
}

/** `max(x, 0)`. The gradient at 0 is 0. */
export function relu(x: Tensor): Tensor {
  return unary("relu", x);
}

/** `x · sigmoid(x)` (Hendrycks & Gimpel 2016; also called swish). */
export function silu(x: Tensor): Tensor {
  return unary("silu", x);
}

/** `1 / (1 + e^−x)`. */
export function sigmoid(x: Tensor): Tensor {
  return unary("sigmoid", x);
}

/** Hyperbolic tangent. */
export function tanh(x: Tensor): Tensor {
  return unary("tanh", x);
}

/** `e^x`. */
export function exp(x: Tensor): Tensor {
  return unary("exp", x);
}

/** Natural logarithm. */
export function log(x: Tensor): Tensor {
  return unary("log", x);
}

/** Square root. */
export function sqrt(x: Tensor): Tensor {
  return unary("sqrt", x);
}

/** `x^exponent` for one number as exponent. A negative base gives NaN unless the exponent is whole. */
export function pow(x: Tensor, exponent: number): Tensor {
  return unary("pow", x, exponent);
}

function unary(name: keyof typeof FUNCTION, x: Tensor, a = 0, b = 0): Tensor {
  if (x.dtype !== "f32") throw new WeftError(`Cannot run ${name} as x is ${x.dtype}: it must be f32`);
  const launch = {
    threads: Math.ceil(x.size / 4),
    params: { size: x.size, a, b },
    constants: { FUNCTION: FUNCTION[name] },
  };
  const y = empty(x.gpu, x.shape, { label: `${name} output` });
  run(shader, "forward", { x, out: y }, launch);
  return record(y, [x], (dy) => {
    const dx = empty(x.gpu, x.shape, { label: `gradient of ${name}` });
    run(shader, "backward", { x, y, dy, out: dx }, launch);
    return [dx];
  });
}
