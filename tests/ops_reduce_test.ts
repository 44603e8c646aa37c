import { assertEquals, assertThrows } from "@std/assert";
import { fill, max, mean, Scope, sum, type Tensor, tensor, WeftError } from "../mod.ts";
import type { ReduceOptions } from "../mod.ts";
import { checkOp, checkPastLimit, gpuTest } from "./_check_op.ts";
import * as ref from "./_reference.ts";

const kinds: [string, (x: Tensor, o: ReduceOptions) => Tensor, (v: number[]) => number][] = [
  ["sum", sum, (v) => v.reduce((s, x) => s + x, 0)],
  ["mean", mean, (v) => v.reduce((s, x) => s + x, 0) / v.length],
  ["max", max, (v) => Math.max(...v)],
];
const cases: [number[], number[]][] = [
  [[1], [0]],
  [[1000], [0]],
  [[5, 7], [0]],
  [[5, 7], [1]],
  [[5, 7], [0, 1]],
  [
    [3, 4, 5, 6],
    [1, 3],
  ],
  [[3, 4, 5, 6], [0, 2]],
  [[2, 131, 3], [1]],
  [[1, 1, 9], [0, 1]],
];
for (const [name, run, f] of kinds) {
  for (const [shape, axes] of cases) {
    checkOp(`${name} of (${shape}) over axes ${axes}`, {
      inputs: [{ shape }],
      run: (x) => run(x, { axes }),
      reference: (x) => ref.reduce(x, axes, f),
    });
  }
  checkOp(`${name} over a negative axis that is kept`, {
    inputs: [{ shape: [3, 5] }],
    run: (x) => run(x, { axes: [-1], keepDims: true }),
    reference: (x) => ref.reduce(x, [1], f, true),
  });
}

gpuTest("max shares the gradient among equals and passes NaN on", async (gpu) => {
  const x = tensor(gpu, [1, 3, 3, 2], [4], { requiresGrad: true });
  const { backward } = await import("../mod.ts");
  {
    using _ = new Scope(gpu, { grad: true });
    backward(max(x));
  }
  assertEquals([...await x.grad!.read()], [0, 0.5, 0.5, 0]);
  using _ = new Scope(gpu);
  assertEquals(await max(tensor(gpu, [1, NaN, 2])).item(), NaN);
});

checkPastLimit("max and its gradient", [5, 3], 5, (x) => max(x, { axes: [1] }));

gpuTest("sum reaches every element past 65,535 workgroups", async (gpu) => {
  using _ = new Scope(gpu);
  const x = fill(gpu, [65_535 * 64 + 77, 3], 1);
  const rows = await sum(x, { axes: [1] }).read();
  assertEquals(rows.findIndex((v) => v !== 3), -1);
  assertEquals(await sum(x).item(), x.size);
});

gpuTest("an axis that is not there, or twice, is an error", (gpu) => {
  using _ = new Scope(gpu);
  const x = tensor(gpu, [1, 2, 3, 4], [2, 2]);
  assertThrows(() => sum(x, { axes: [2] }), WeftError, "Cannot run sum along axis 2 as x is (2, 2)");
  assertThrows(() => sum(x, { axes: [0, -2] }), WeftError, "along an axis twice");
  return Promise.resolve();
});
