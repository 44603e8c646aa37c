import { assertEquals } from "@std/assert";
import {
  backward,
  cast,
  type ForcedVariants,
  linear,
  matmul,
  mul,
  type ProductVariant,
  randomUniform,
  Scope,
  sum,
  type Tensor,
  tensor,
} from "../mod.ts";
import { expectClose, force, gpuTest } from "./_check_op.ts";

/** One rounding to f16 is 2⁻¹¹ of a number at most; a result has gone through a few. */
const tolerance = 1.5e-3;

/** Of dropout. */
export const key = { seed: 4, counter: 7 };

/** How an operation on f16 is checked. */
export interface HalfCase {
  /** Shapes of what is f16, and of what stays f32. */
  readonly halves: readonly (readonly number[])[];
  readonly singles?: readonly (readonly number[])[];
  readonly run: (halves: Tensor[], singles: Tensor[]) => Tensor;
  readonly forced?: ForcedVariants;
  /** Type of the result. Default: f16. */
  readonly result?: "f32" | "f16";
}

/**
 * A test that an operation on f16 gives what it gives on the same numbers as f32, and the same gradients, but for the rounding
 * of what is stored.
 */
export function checkHalf(name: string, { halves, singles = [], run, forced = {}, result = "f16" }: HalfCase): void {
  gpuTest(`f16: ${name}`, async (gpu) => {
    using _forced = force(gpu, forced);
    const values = (shape: readonly number[], stream: number) =>
      Float16Array.from({ length: shape.reduce((m, n) => m * n, 1) }, (_, i) => randomUniform(3, stream, i) * 2 - 1);
    const compute = async (dtype: "f32" | "f16") => {
      using _ = new Scope(gpu, { grad: true });
      const leaf = (shape: readonly number[], stream: number, dtype: "f32" | "f16") =>
        tensor(gpu, values(shape, stream), shape, { dtype, requiresGrad: true });
      const own = halves.map((shape, i) => leaf(shape, i, dtype)),
        others = singles.map((s, i) => leaf(s, 9 + i, "f32"));
      const y = run(own, others);
      assertEquals(y.dtype, dtype === "f16" ? result : "f32");
      const cotangent = tensor(gpu, values(y.shape, 99), y.shape, { dtype: "f32" });
      backward(sum(mul(cast(y, "f32"), cotangent)), { keep: [y] });
      const gradients: Float32Array[] = [];
      for (const leaf of [...own, ...others]) gradients.push(await leaf.grad!.read());
      return { y: await y.read(), gradients };
    };
    const half = await compute("f16"), single = await compute("f32");
    expectClose("forward", half.y, single.y, tolerance);
    half.gradients.forEach((g, i) => expectClose(`gradient of input ${i}`, g, single.gradients[i], tolerance));
    // Else nothing was stored as f16.
    assertEquals(result === "f32" || half.y.every((v) => v === Math.f16round(v)), true);
  });
}

/** Tests of a way to compute products: matrices of a few layouts, and a linear layer with all that it can fuse. */
export function checkHalfProducts(product: ProductVariant): void {
  for (const [M, N, K] of [[5, 7, 9], [36, 132, 68]]) {
    for (const [transposeA, transposeB] of [[false, false], [false, true], [true, false]]) {
      checkHalf(`matmul by ${product} ${M}×${N}×${K} ${transposeA ? "T" : "N"}${transposeB ? "T" : "N"}`, {
        halves: [transposeA ? [K, M] : [M, K], transposeB ? [N, K] : [K, N]],
        run: ([a, b]) => matmul(a, b, { transposeA, transposeB }),
        forced: { product },
      });
    }
  }
  checkHalfLinear(product);
}

/** A test of a linear layer with all that it can fuse; with its gradients it is a product of every layout. */
export function checkHalfLinear(product: ProductVariant): void {
  checkHalf(`a linear layer with everything by ${product}`, {
    halves: [[3, 11, 24], [24, 20], [3, 11, 20]],
    singles: [[20]],
    run: ([x, weight, residual], [bias]) =>
      linear(x, weight, { bias, gelu: "erf", dropout: { p: 0.3, key }, residual }),
    forced: { product },
  });
}
