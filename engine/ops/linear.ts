import { record, recording } from "../scope.ts";
import { expectShape, formatShape } from "../shape.ts";
import { empty, type Tensor } from "../tensor.ts";
import { WeftError } from "../weft_error.ts";
import { add } from "./binary.ts";
import { cast } from "./cast.ts";
import { dropout, type DropoutOptions, dropoutParams } from "./dropout.ts";
import { gelu as applyGelu, type GeluForm, geluGradient } from "./gelu.ts";
import { operand } from "./matmul.ts";
import { fusesAll, largerThanBinding, product } from "./product.ts";
import { sumTo } from "./reduce.ts";

/** What a linear layer does besides: `residual + dropout(gelu(x · W + bias))`, each part if it is there. */
export interface LinearOptions {
  /** (N), added to each row. */
  readonly bias?: Tensor;
  /** Applies GELU in this form. */
  readonly gelu?: GeluForm;
  /** Drops elements, before the residual is added. */
  readonly dropout?: DropoutOptions;
  /** (…, N), added last: the residual stream. */
  readonly residual?: Tensor;
}

/**
 * Linear layer `x · W`: (…, K) · (K, N) → (…, N), both f32 or both f16, with what comes after it done as the product is stored, where the
 * kernel can, so that the intermediate results never cross memory. The gradients of the weight and the bias are f32.
 *
 * @example
 * ```ts
 * import { Gpu } from "../gpu.ts";
 * import { Scope } from "../scope.ts";
 * import { tensor } from "../tensor.ts";
 * import { linear } from "./linear.ts";
 *
 * using gpu = await Gpu.open();
 * using _ = new Scope(gpu);
 * const x = tensor(gpu, [1, 2], [1, 2]), weight = tensor(gpu, [1, 0, 0, 1], [2, 2]);
 * const y = linear(x, weight, { bias: tensor(gpu, [10, 20]), residual: x });
 * console.log(await y.read()); // Float32Array [12, 24]
 * ```
 *
 * @throws {WeftError} when shapes do not agree.
 */
export function linear(x: Tensor, weight: Tensor, options: LinearOptions = {}): Tensor {
  const { bias, gelu, residual } = options, { gpu } = x;
  const [K, N] = weight.shape;
  if (weight.shape.length !== 2 || x.shape.at(-1) !== K || x.dtype !== weight.dtype) {
    throw new WeftError(
      `Cannot run linear as x is ${x.dtype} ${formatShape(x.shape)} and the weight is ${weight.dtype} ` +
        `${formatShape(weight.shape)}: x must be (…, K) and the weight (K, N) of the same type`,
    );
  }
  const shape = [...x.shape.slice(0, -1), N], M = x.size / K;
  if (bias) expectShape("linear", { bias }, [N]);
  if (residual) expectShape("linear", { residual }, shape);
  const drops = options.dropout !== undefined && options.dropout.p > 0 ? options.dropout : undefined;
  const spec = { M, N, K, batch: 1, a: { ...operand(x, false), batch: 0, step: K }, b: operand(weight, true) };
  const large = largerThanBinding(gpu, x.dtype, spec),
    fuses = large !== "B" && !(large && drops) && fusesAll(gpu, spec);
  if (large === "B" && bias || (gelu || drops || residual) && !fuses) {
    let y = linear(x, weight, large === "B" ? {} : { bias });
    if (large === "B" && bias) y = add(y, cast(bias, x.dtype === "f16" ? "f16" : "f32"));
    if (gelu) y = applyGelu(y, gelu);
    if (drops) y = dropout(y, drops.p, drops.key);
    return residual ? add(residual, y) : y;
  }
  const inputs = [x, weight, ...bias ? [bias] : [], ...residual ? [residual] : []];
  const pre = gelu && recording(gpu, inputs)
    ? empty(gpu, shape, { dtype: x.dtype, label: "input of gelu" })
    : undefined;
  const y = empty(gpu, shape, { dtype: x.dtype, label: "output of linear" });
  const epilogue = { bias, gelu, pre, residual, dropout: drops && dropoutParams(drops) };
  product(y, spec, epilogue);
  const curve = pre && !residual ? { pre, form: gelu!, taken: false } : undefined;
  record(y, inputs, (dy) => {
    const dropped = drops ? dropout(dy, drops.p, drops.key) : dy;
    const d = pre && !curve?.taken ? geluGradient(pre, dropped, gelu!) : dropped;
    const gradients: (Tensor | undefined)[] = [undefined, undefined];
    if (x.requiresGrad) {
      const dx = gradients[0] = empty(gpu, x.shape, { dtype: x.dtype, label: "gradient of linear's input" });
      const spec = { M, N: K, K: N, batch: 1, a: { tensor: d, batch: 0, step: N, k: 1 }, b: operand(weight, false) };
      const slope = x.uses === 1 ? x.node?.gelu : undefined;
      if (slope && largerThanBinding(gpu, x.dtype, spec) !== "B" && fusesAll(gpu, spec)) {
        product(dx, spec, { slope });
        slope.taken = true;
      } else product(dx, spec);
    }
    if (weight.requiresGrad) {
      const dw = gradients[1] = empty(gpu, weight.shape, { label: "gradient of weight" });
      const a = { tensor: x, batch: 0, step: 1, k: K }, b = { tensor: d, batch: 0, step: 1, k: N };
      product(dw, { M: K, N, K: M, batch: 1, a, b });
    }
    if (bias) gradients.push(sumTo(d, [N], "f32"));
    if (residual) gradients.push(dy);
    return gradients;
  });
  if (y.node) y.node.gelu = curve;
  return y;
}
