import { type Operand, product } from "./product.ts";
import { record } from "../scope.ts";
import { broadcastShapes, formatShape, sameShape, sizeOf } from "../shape.ts";
import { empty, type Tensor } from "../tensor.ts";
import { WeftError } from "../weft_error.ts";
import { expand, reshape } from "./layout.ts";
import type { DType } from "../host_tensor.ts";
import { cast } from "./cast.ts";
import { sumTo } from "./reduce.ts";

/** Which operands of a matrix product are transposed. */
export interface MatmulOptions {
  /** Whether `a` is (…, K, M). */
  readonly transposeA?: boolean;
  /** Whether `b` is (…, N, K). */
  readonly transposeB?: boolean;
  /** Type of the result's elements. Default: that of the operands. */
  readonly dtype?: "f32" | "f16";
}

/**
 * Matrix product `A · B` over the last two dimensions: (…, M, K) · (…, K, N) → (…, M, N). Leading dimensions are
 * batches, which broadcast. Gradients: `dA = dC · Bᵀ`, `dB = Aᵀ · dC`, summed over batches that share an operand.
 *
 * @throws {WeftError} when the inner dimensions differ, or the batches do not broadcast.
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  const { transposeA = false, transposeB = false, dtype = a.dtype } = options;
  for (const [name, operand] of [["a", a], ["b", b]] as const) {
    if (operand.shape.length < 2 || operand.dtype !== a.dtype || (a.dtype !== "f32" && a.dtype !== "f16")) {
      throw new WeftError(
        `Cannot run matmul as ${name} is ${operand.dtype} ${
          formatShape(operand.shape)
        }: both must be f32, or both f16, ` +
          `with 2 or more dimensions`,
      );
    }
  }
  const K = a.shape.at(transposeA ? -2 : -1)!;
  if (K !== b.shape.at(transposeB ? -1 : -2)) {
    throw new WeftError(
      `Cannot run matmul as a is ${formatShape(a.shape)}${transposeA ? " transposed" : ""} and b is ` +
        `${formatShape(b.shape)}${transposeB ? " transposed" : ""}: the inner dimensions must agree`,
    );
  }
  if (b.shape.length === 2 && a.shape.length > 2 && !transposeA) {
    // One matrix for all batches: they are rows of a single product.
    const folded = matmul(reshape(a, [-1, K]), b, options);
    return reshape(folded, [...a.shape.slice(0, -1), folded.shape[1]]);
  }
  const batch = broadcastShapes("matmul", a.shape.slice(0, -2), b.shape.slice(0, -2));
  return batchedMatmul(spread(a, batch), spread(b, batch), batch, [transposeA, transposeB], dtype);
}

/** An operand of one batch, or with the batch dimensions of the result: what the kernel can step through. */
function spread(x: Tensor, batch: readonly number[]): Tensor {
  const own = x.shape.slice(0, -2);
  return sizeOf(own) === 1 || sameShape(own, batch) ? x : expand(x, [...batch, ...x.shape.slice(-2)]);
}

function batchedMatmul(
  a: Tensor,
  b: Tensor,
  batch: readonly number[],
  [tA, tB]: readonly [boolean, boolean],
  dtype: DType,
): Tensor {
  return record(multiply(a, b, batch, tA, tB, dtype), [a, b], (gradient) => {
    const dc = cast(gradient, a.dtype as "f32" | "f16"), own = a.dtype;
    return [
      a.requiresGrad
        ? sumTo(tA ? multiply(b, dc, batch, tB, true, own) : multiply(dc, b, batch, false, !tB, own), a.shape)
        : undefined,
      b.requiresGrad
        ? sumTo(tB ? multiply(dc, a, batch, true, tA, own) : multiply(a, dc, batch, !tA, false, own), b.shape)
        : undefined,
    ];
  });
}

/** The product without a tape. Operands have the batch dimensions, or one batch that all share. */
function multiply(a: Tensor, b: Tensor, batch: readonly number[], tA: boolean, tB: boolean, dtype: DType): Tensor {
  const M = a.shape.at(tA ? -1 : -2)!, K = a.shape.at(tA ? -2 : -1)!, N = b.shape.at(tB ? -2 : -1)!;
  const c = empty(a.gpu, [...batch, M, N], { dtype, label: "matmul output" });
  product(c, { M, N, K, batch: sizeOf(batch), a: operand(a, tA), b: operand(b, !tB) });
  return c;
}

/** A matrix as the kernels read it: `kFirst` says that it is (…, K, rows), otherwise (…, rows, K). */
export function operand(tensor: Tensor, kFirst: boolean): Operand {
  const [outer, inner] = tensor.shape.slice(-2), size = outer * inner;
  return { tensor, batch: tensor.size === size ? 0 : size, step: kFirst ? 1 : inner, k: kFirst ? inner : 1 };
}
