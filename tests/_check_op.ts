import { assertEquals } from "@std/assert";
import {
  add,
  backward,
  type ForcedVariants,
  Gpu,
  mul,
  randomUniform,
  reshape,
  Scope,
  sum,
  type Tensor,
  tensor,
} from "../mod.ts";

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
  /** Largest relative error of the forward pass and of each gradient. Default: 2e-6 and 5e-6. */
  readonly tolerance?: readonly [number, number];
  /** Variants of kernels to use. Default: those that suit. */
  readonly forced?: ForcedVariants;
  /** How many elements of each input are differentiated by themselves. Default: 24. */
  readonly samples?: number;
}

/** An array of a shape, element by element. */
export function nd(shape: readonly number[], at: (index: number) => number): Nd {
  const size = shape.reduce((product, extent) => product * extent, 1);
  return { shape, data: Float64Array.from({ length: size }, (_, i) => at(i)) };
}

/** One GPU for the tests of a file, closed when they are over. */
let opened: Promise<Gpu> | undefined;
globalThis.addEventListener("unload", () => void opened?.then((gpu) => gpu.close()));

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

/** Uses variants of kernels until the end of a `using` block. */
export function force(gpu: Gpu, variants: ForcedVariants): Disposable {
  const before = gpu.forced;
  gpu.forced = variants;
  return { [Symbol.dispose]: () => gpu.forced = before };
}

/** Launches kernels as on a GPU in hardware until the end of a `using` block, whatever the adapter is. */
export function asHardware(gpu: Gpu): Disposable {
  const { isCpu, texelLimit } = gpu;
  Object.assign(gpu, { isCpu: false, texelLimit: 0 });
  return { [Symbol.dispose]: () => void Object.assign(gpu, { isCpu, texelLimit }) };
}

/**
 * A test of one operation: its forward pass against plain float64 code, and the gradient of each input, under a random
 * cotangent, against central differences of that code: of single elements, and of all at once along a random direction,
 * in which an element that is wrong shows wherever it is.
 */
export function checkOp(name: string, op: OpCase): void {
  gpuTest(name, async (gpu) => {
    const [forwardTolerance, gradientTolerance] = op.tolerance ?? [2e-6, 5e-6];
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
    using _forced = force(gpu, { loads: "texels", ...op.forced }); // small as they are; models are tested with buffers
    const y = op.run(...leaves);
    const expected = op.reference(...arrays);
    assertEquals([...y.shape], [...expected.shape], "shape");
    const cotangent = nd(y.shape, (i) => Math.fround(randomUniform(2, 99, i) - 0.5));
    backward(sum(mul(y, tensor(gpu, Float32Array.from(cotangent.data), y.shape))), { keep: [y] });
    expectClose("forward", await y.read(), expected.data, forwardTolerance);
    const objective = () => op.reference(...arrays).data.reduce((total, v, i) => total + v * cotangent.data[i], 0);
    for (const [k, leaf] of leaves.entries()) {
      if (!differentiable[k]) continue;
      const { data } = arrays[k], places = samplePlaces(data.length, op.samples ?? 24);
      const computed = await leaf.grad!.read();
      assertEquals(computed.length, data.length);
      const numeric = places.map((at) => slope(objective, data, (i) => i === at ? 1 : 0));
      expectClose(`gradient of input ${k}`, places.map((at) => computed[at]), numeric, gradientTolerance);
      const direction = (i: number) => randomUniform(4, k, i) < 0.5 ? -1 : 1;
      const along = computed.reduce((total, g, i) => total + g * direction(i), 0);
      const error = Math.abs(along - slope(objective, data, direction)) /
        Math.max(Math.hypot(...computed), 1e-3);
      if (!(error <= gradientTolerance)) {
        throw new Error(`gradient of input ${k} along a direction: relative error ${error}`);
      }
      leaf.zeroGrad();
    }
  });
}

/**
 * A test that kernels reach what lies past 65,535 workgroups of 64: an operation that treats the entries of the first
 * dimension alike gives each of many copies of a few entries the same results and gradients, bit for bit. `threads`
 * is how many invocations one copy takes; `forced` keeps few and many to one kernel, where it would be two.
 */
export function checkPastLimit(
  name: string,
  shape: readonly number[],
  threads: number,
  run: (x: Tensor) => Tensor,
  forced: ForcedVariants = {},
): void {
  gpuTest(`${name} past 65,535 workgroups`, async (gpu) => {
    using _forced = force(gpu, forced);
    using _ = new Scope(gpu, { grad: true });
    const copies = Math.floor(65_535 * 64 / threads) + 3;
    const random = (stream: number) => (_: number, i: number) => randomUniform(1, stream, i) * 2 - 1;
    const values = new Float32Array(shape.reduce((m, n) => m * n, 1)).map(random(0));
    const repeated = new Float32Array(copies * values.length);
    for (let i = 0; i < copies; i++) repeated.set(values, i * values.length);
    const few = tensor(gpu, values, shape, { requiresGrad: true });
    const many = tensor(gpu, repeated, shape.with(0, copies * shape[0]), { requiresGrad: true });
    const y = run(few), ys = run(many);
    const cotangent = tensor(gpu, new Float32Array(y.size).map(random(1)), y.shape);
    const weighted = [y, reshape(ys, [copies, ...y.shape])].map((part) => sum(mul(part, cotangent)));
    backward(add(weighted[0], weighted[1]), { keep: [y, ys] });
    for (const [one, all] of [[y, ys], [few.grad!, many.grad!]]) {
      const [expected, actual] = [await one.read(), await all.read()];
      assertEquals(actual.length, copies * expected.length);
      assertEquals(expected.some((v) => v !== 0), true); // else memory that was never written would pass
      assertEquals(actual.findIndex((v, i) => v !== expected[i % expected.length]), -1);
    }
  });
}

/**
 * Fails when ‖a − b‖ exceeds `tolerance` · ‖b‖, when an element is off by more than 4 · `tolerance` of the largest, or
 * when a is not finite. Where b is nearly zero, 1e-3 takes the place of its size.
 */
export function expectClose(
  what: string,
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  tolerance: number,
): void {
  assertEquals(a.length, b.length, `${what}: length`);
  let difference = 0, norm = 0, worst = 0, largest = 1e-3;
  for (let i = 0; i < b.length; i++) {
    difference += (a[i] - b[i]) ** 2;
    norm += b[i] ** 2;
    worst = Math.max(worst, Math.abs(a[i] - b[i]));
    largest = Math.max(largest, Math.abs(b[i]));
  }
  const error = Math.sqrt(difference) / Math.max(Math.sqrt(norm), 1e-3);
  if (!(error <= tolerance)) throw new Error(`${what}: relative error ${error} is beyond ${tolerance}`);
  if (!(worst <= 4 * tolerance * largest)) throw new Error(`${what}: an element is off by ${worst}`);
}

/** Central difference of `f` as `data` moves along a direction. */
function slope(f: () => number, data: Float64Array, direction: (index: number) => number): number {
  const before = data.slice(), step = 1e-5;
  const [above, below] = [step, -step].map((h) => {
    data.set(before.map((v, i) => v + h * direction(i)));
    return f();
  });
  data.set(before);
  return (above - below) / (2 * step);
}

function samplePlaces(size: number, count: number): number[] {
  if (size <= count) return Array.from({ length: size }, (_, i) => i);
  return [
    0,
    size - 1,
    ...Array.from({ length: count - 2 }, (_, i) => Math.floor(randomUniform(3, 0, i) * size)),
  ];
}
