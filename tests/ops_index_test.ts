import { assertEquals, assertThrows } from "@std/assert";
import {
  backward,
  dropout,
  embedding,
  fill,
  gather,
  mul,
  reshape,
  Scope,
  sum,
  tensor,
  WeftError,
  zeros,
} from "../mod.ts";
import { checkOp, gpuTest, nd } from "./_check_op.ts";
import { coordinates, flatIndex, keptOver } from "./_reference.ts";

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
    reference: (weight, index) => nd([ids.length, C], (i) => weight.data[index.data[Math.floor(i / C)] * C + i % C]),
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

checkOp("gather along a negative axis", {
  inputs: [{ shape: [2, 3] }, { shape: [2, 1], values: [2, 0], integer: true }],
  run: (x, index) => gather(x, -1, index),
  reference: (x) => nd([2, 1], (i) => x.data[i === 0 ? 2 : 3]),
});
for (const [shape, p] of [[[1], 0.5], [[7], 0.5], [[3, 67], 0.2], [[1001], 0.9]] as [number[], number][]) {
  const key = { seed: 2 ** 40 + 7, counter: 3 };
  checkOp(`dropout of (${shape}) with probability ${p}`, {
    inputs: [{ shape }],
    run: (x) => dropout(x, p, key),
    reference: (x) => nd(shape, (i) => x.data[i] * keptOver({ p, key }, i >> 2, i & 3)),
  });
}

gpuTest("ids may be u32", async (gpu) => {
  using _ = new Scope(gpu);
  const ids = tensor(gpu, new Uint32Array([1, 0]));
  assertEquals([...await embedding(tensor(gpu, [1, 2, 3, 4], [2, 2]), ids).read()], [3, 4, 1, 2]);
});

gpuTest("embedding reaches every element past 65,535 workgroups", async (gpu) => {
  using _ = new Scope(gpu);
  const ids = new Int32Array(65_535 * 64 + 9).map((_, i) => i % 3);
  const y = await embedding(tensor(gpu, [5, 6, 7], [3, 1]), tensor(gpu, ids)).read();
  assertEquals(y.findIndex((v, i) => v !== 5 + i % 3), -1);
});

gpuTest("embedding's gradient reaches every element past 65,535 workgroups", async (gpu) => {
  using _ = new Scope(gpu, { grad: true });
  const N = 60_000, C = 71, table = zeros(gpu, [8, C], { requiresGrad: true });
  const ids = new Int32Array(N).map((_, i) => i === N - 1 ? 7 : i % 7); // the last row has one place, the last
  backward(sum(embedding(table, tensor(gpu, ids))));
  const counts = [0, 1, 2, 3, 4, 5, 6, 7].map((row) => ids.filter((id) => id === row).length);
  assertEquals((await table.grad!.read()).findIndex((v, i) => v !== counts[Math.floor(i / C)]), -1);
});

gpuTest("gather and its gradient reach every place past 65,535 workgroups", async (gpu) => {
  using _ = new Scope(gpu, { grad: true });
  const rows = 65_535 * 64 + 9, index = tensor(gpu, new Int32Array(rows).map((_, i) => i % 3 & 1), [rows, 1]);
  const x = tensor(gpu, new Float32Array(2 * rows).map((_, i) => i), [rows, 2], { requiresGrad: true });
  const y = gather(x, 1, index);
  backward(sum(y), { keep: [y] });
  assertEquals((await y.read()).findIndex((v, i) => v !== 2 * i + (i % 3 & 1)), -1);
  assertEquals(
    (await x.grad!.read()).findIndex((v, i) => v !== (((i >> 1) % 3 & 1) === (i & 1) ? 1 : 0)),
    -1,
  );
});

gpuTest("dropout draws for every element past 65,535 workgroups", async (gpu) => {
  using _ = new Scope(gpu);
  const size = 65_535 * 256 + 1_003, key = { seed: 1, counter: 2 };
  const y = await dropout(fill(gpu, [size], 1), 0.5, key).read();
  const places = Array.from({ length: 10_000 }, (_, i) => size - 1 - i * 1_500);
  assertEquals(places.filter((i) => y[i] !== keptOver({ p: 0.5, key }, i >> 2, i & 3)), []);
});

gpuTest("gradients of places that repeat are added in the same order each time", async (gpu) => {
  using _ = new Scope(gpu, { grad: true });
  const n = 5000, ids = tensor(gpu, new Int32Array(n).map((_, i) => i * i % 3));
  const dy = tensor(gpu, new Float32Array(n).map((_, i) => Math.sin(i) * 10 ** (i % 7)));
  const grads: Float32Array[] = [];
  for (let i = 0; i < 2; i++) {
    const table = zeros(gpu, [3, 1], { requiresGrad: true }), x = zeros(gpu, [3], { requiresGrad: true });
    backward(sum(mul(embedding(table, ids), reshape(dy, [n, 1]))));
    backward(sum(mul(gather(x, 0, ids), dy)));
    grads.push(await table.grad!.read(), await x.grad!.read());
  }
  assertEquals([grads[2], grads[3]], [grads[0], grads[1]]);
});

gpuTest("tables and indices that do not fit are errors", (gpu) => {
  using _ = new Scope(gpu);
  const x = fill(gpu, [2, 3], 0), ids = tensor(gpu, new Int32Array(2));
  assertThrows(
    () => embedding(x, fill(gpu, [2], 0)),
    WeftError,
    "Cannot run embedding as weight is (2, 3) and ids are f32",
  );
  assertThrows(() => embedding(fill(gpu, [3], 0), ids), WeftError, "weight must be (V, C)");
  assertThrows(() => gather(x, 1, ids), WeftError, "as x is (2, 3) and index i32 (2)");
  assertThrows(() => gather(x, 2, ids), WeftError, "Cannot run gather along axis 2 as x is (2, 3)");
  return Promise.resolve();
});

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
  assertEquals([...await gather(fill(gpu, [2], 1), 0, tensor(gpu, new Int32Array([1, 2, -1]))).read()], [
    1,
    NaN,
    NaN,
  ]);
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
