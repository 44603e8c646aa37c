import { assertEquals, assertThrows } from "@std/assert";
import { backward, dropout, embedding, fill, gather, Scope, sum, tensor, WeftError } from "../mod.ts";
import { checkOp, gpuTest, nd } from "./_check_op.ts";
import { coordinates, flatIndex } from "./_reference.ts";

for (
  const [V, C, ids] of [[1, 1, [0]], [5, 3, [4, 0, 4, 4, 2, 0]], [
    65,
    33,
    Array.from({ length: 200 }, (_, i) => i * i % 65),
  ]] as [
    number,
    number,
    number[],
  ][]
) {
  checkOp(`embedding of ${ids.length} ids in a table (${V}, ${C})`, {
    inputs: [{ shape: [V, C] }, { shape: [ids.length], values: ids, integer: true }],
    run: (weight, index) => embedding(weight, index),
    reference: (weight, index) =>
      nd([ids.length, C], (i) => weight.data[index.data[Math.floor(i / C)] * C + i % C]),
  });
}
checkOp("embedding of ids in two dimensions", {
  inputs: [{ shape: [4, 2] }, { shape: [2, 3], values: [0, 1, 2, 3, 3, 3], integer: true }],
  run: (weight, index) => embedding(weight, index),
  reference: (weight, index) => nd([2, 3, 2], (i) => weight.data[index.data[Math.floor(i / 2)] * 2 + i % 2]),
});

for (
  const [shape, axis, K] of [[[4], 0, 6], [[3, 5], 1, 2], [[3, 5], 0, 4], [[2, 3, 7], 1, 5]] as [
    number[],
    number,
    number,
  ][]
) {
  const indexShape = shape.with(axis, K), size = indexShape.reduce((product, extent) => product * extent, 1);
  checkOp(`gather of ${K} along axis ${axis} of (${shape})`, {
    inputs: [{ shape }, {
      shape: indexShape,
      values: Array.from({ length: size }, (_, i) => i * 5 % shape[axis]),
      integer: true,
    }],
    run: (x, index) => gather(x, axis, index),
    reference: (x, index) =>
      nd(indexShape, (i) => x.data[flatIndex(shape, coordinates(indexShape, i).with(axis, index.data[i]))]),
  });
}

gpuTest("an id or index out of range gives NaN", async (gpu) => {
  using _ = new Scope(gpu);
  const table = fill(gpu, [3, 2], 1);
  assertEquals([...await embedding(table, tensor(gpu, new Int32Array([2, 3, -1]))).read()], [
    1,
    1,
    NaN,
    NaN,
    NaN,
    NaN,
  ]);
  assertEquals([...await gather(fill(gpu, [2], 1), 0, tensor(gpu, new Int32Array([1, 2]))).read()], [1, NaN]);
});

gpuTest("dropout has the right rate, keeps the mean, and repeats for a key alone", async (gpu) => {
  using _ = new Scope(gpu);
  const size = 100_003, x = fill(gpu, [size], 1), key = { seed: 2 ** 40 + 7, counter: 3 };
  for (const p of [0.1, 0.5, 0.9]) {
    const y = await dropout(x, p, key).read(), kept = y.filter((v) => v !== 0);
    const sigma = Math.sqrt(p * (1 - p) / size);
    if (Math.abs(kept.length / size - (1 - p)) > 5 * sigma) {
      throw new Error(`${kept.length} of ${size} are kept at p ${p}`);
    }
    assertEquals(kept.every((v) => Math.abs(v - 1 / (1 - p)) < 1e-5 / (1 - p)), true);
  }
  const mask = await dropout(x, 0.5, key).read();
  assertEquals(await dropout(x, 0.5, key).read(), mask);
  for (const other of [{ ...key, counter: 4 }, { ...key, seed: 7 }, { ...key, seed: 2 ** 41 + 7 }]) {
    const values = await dropout(x, 0.5, other).read();
    const same = values.filter((v, i) => v === mask[i]).length / size;
    if (Math.abs(same - 0.5) > 0.01) {
      throw new Error(`masks of different keys agree in ${same} of the elements`);
    }
  }
});

gpuTest("dropout's gradient has the mask of its forward pass", async (gpu) => {
  const x = tensor(gpu, new Float32Array(1001).fill(1), [1001], { requiresGrad: true });
  using _ = new Scope(gpu, { grad: true });
  const y = dropout(x, 0.4, { seed: 1, counter: 0 });
  backward(sum(y), { keep: [y] });
  assertEquals(await x.grad!.read(), await y.read());
});

gpuTest("dropout with probability 0 is the identity, and 1 is an error", (gpu) => {
  using _ = new Scope(gpu);
  const x = fill(gpu, [4], 1);
  assertEquals(dropout(x, 0, { seed: 1, counter: 0 }), x);
  for (const p of [1, -0.1, NaN]) {
    assertThrows(() => dropout(x, p, { seed: 1, counter: 0 }), WeftError, "it must be from 0 to below 1");
  }
  return Promise.resolve();
});
