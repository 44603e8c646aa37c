import { assertEquals } from "@std/assert";
import { backward, Gpu, mul, randomUniform, Scope, sum, type Tensor, tensor } from "../mod.ts";

/** An array in float64: what the references compute with. */
export interface Nd {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/** An operand of an operation under test. */
export interface Operand {
  readonly shape: readonly number[];
  /** Range of the random elements. Default: −1 to 1. */
  readonly range?: readonly [number, number];
  /** The elements, where random ones will not do. Integers are not differentiated. */
  readonly values?: readonly number[];
  readonly integer?: boolean;
}

/** How an operation is checked. */
export interface OpCase {
  readonly inputs: readonly Operand[];
  readonly run: (...tensors: Tensor[]) => Tensor;
  readonly reference: (...arrays: Nd[]) => Nd;
  /** Largest relative L2 error of the forward pass and of each gradient. Default: 2e-6 and 2e-5. */
  readonly tolerance?: readonly [number, number];
  /** How many elements of each input are differentiated numerically. Default: 24. */
  readonly samples?: number;
}

/** An array of a shape, element by element. */
export function nd(shape: readonly number[], at: (index: number) => number): Nd {
  const size = shape.reduce((product, extent) => product * extent, 1);
  return { shape, data: Float64Array.from({ length: size }, (_, i) => at(i)) };
}

/** One GPU for the tests of a file. */
let opened: Promise<Gpu> | undefined;

/** The GPU that the tests of a file share. Without an adapter it throws: tests fail, they are not skipped. */
export function testGpu(): Promise<Gpu> {
  return opened ??= Gpu.open();
}

/** A test that needs a GPU. The device is shared, so it outlives the test. */
export function gpuTest(name: string, body: (gpu: Gpu) => Promise<void>): void {
  Deno.test({
    name,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => await body(await testGpu()),
  });
}

/**
 * A test of one operation: its forward pass against plain float64 code, and the gradient of each input, under a random
 * cotangent, against central differences of that code.
 */
export function checkOp(name: string, op: OpCase): void {
  gpuTest(name, async (gpu) => {
    const [forwardTolerance, gradientTolerance] = op.tolerance ?? [2e-6, 2e-5];
    const arrays = op.inputs.map(({ shape, range: [low, high] = [-1, 1], values }, k) =>
      // rounded to f32, so that both sides compute from the same numbers
      nd(shape, (i) => values ? values[i] : Math.fround(low + (high - low) * randomUniform(1, k, i)))
    );
    const differentiable = op.inputs.map(({ integer }) => !integer);
    const leaves = arrays.map(({ shape, data }, k) =>
      tensor(gpu, differentiable[k] ? Float32Array.from(data) : Int32Array.from(data), shape, {
        requiresGrad: differentiable[k],
      })
    );
    using _ = new Scope(gpu, { grad: true });
    const y = op.run(...leaves);
    const expected = op.reference(...arrays);
    assertEquals([...y.shape], [...expected.shape], "shape");
    const cotangent = nd(y.shape, (i) => Math.fround(randomUniform(2, 99, i) - 0.5));
    backward(sum(mul(y, tensor(gpu, Float32Array.from(cotangent.data), y.shape))), { keep: [y] });
    expectClose("forward", await y.read(), expected.data, forwardTolerance);
    const objective = () =>
      op.reference(...arrays).data.reduce((total, v, i) => total + v * cotangent.data[i], 0);
    for (const [k, leaf] of leaves.entries()) {
      if (!differentiable[k]) continue;
      const { data } = arrays[k], places = samplePlaces(data.length, op.samples ?? 24), step = 1e-5;
      const numeric = places.map((at) => {
        const before = data[at];
        data[at] = before + step;
        const above = objective();
        data[at] = before - step;
        const below = objective();
        data[at] = before;
        return (above - below) / (2 * step);
      });
      const computed = await leaf.grad!.read();
      assertEquals(computed.length, data.length);
      expectClose(`gradient of input ${k}`, places.map((at) => computed[at]), numeric, gradientTolerance);
      leaf.zeroGrad();
    }
  });
}

/** Fails when ‖a − b‖ exceeds `tolerance` · ‖b‖ (or the tolerance alone, where b is zero), or a is not finite. */
export function expectClose(
  what: string,
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  tolerance: number,
): void {
  assertEquals(a.length, b.length, `${what}: length`);
  let difference = 0, norm = 0;
  for (let i = 0; i < b.length; i++) {
    difference += (a[i] - b[i]) ** 2;
    norm += b[i] ** 2;
  }
  const error = Math.sqrt(difference) / Math.max(Math.sqrt(norm), 1e-3);
  if (!(error <= tolerance)) throw new Error(`${what}: relative error ${error} is beyond ${tolerance}`);
}

function samplePlaces(size: number, count: number): number[] {
  if (size <= count) return Array.from({ length: size }, (_, i) => i);
  return [
    0,
    size - 1,
    ...Array.from({ length: count - 2 }, (_, i) => Math.floor(randomUniform(3, 0, i) * size)),
  ];
}
