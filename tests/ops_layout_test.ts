import { assertEquals, assertThrows } from "@std/assert";
import {
  cast,
  concat,
  copy,
  copyInto,
  detach,
  expand,
  fill,
  mul,
  permute,
  readTensors,
  reshape,
  Scope,
  slice,
  sum,
  tensor,
  transpose,
} from "../mod.ts";
import { WeftError } from "../mod.ts";
import { checkOp, gpuTest, nd } from "./_check_op.ts";
import * as ref from "./_reference.ts";

checkOp("reshape keeps the order", {
  inputs: [{ shape: [4, 6] }],
  run: (x) => reshape(x, [2, -1, 3]),
  reference: (x) => nd([2, 4, 3], (i) => x.data[i]),
});
for (const order of [[0, 1, 2], [2, 0, 1], [1, 2, 0], [2, 1, 0]]) {
  checkOp(`permute by ${order}`, {
    inputs: [{ shape: [3, 5, 7] }],
    run: (x) => permute(x, order),
    reference: (x) => ref.permute(x, order),
  });
}
checkOp("transpose of the last two axes", {
  inputs: [{ shape: [2, 65, 3] }],
  run: (x) => transpose(x),
  reference: (x) => ref.permute(x, [0, 2, 1]),
});
for (const [axis, start, end] of [[0, 1, 3], [1, 0, 1], [2, 3, 7], [0, 0, 4]]) {
  checkOp(`slice of axis ${axis} from ${start} to ${end}`, {
    inputs: [{ shape: [4, 3, 7] }],
    run: (x) => slice(x, { axis, start, end }),
    reference: (x) => ref.slice(x, axis, start, end),
  });
}
checkOp("slice from the end", {
  inputs: [{ shape: [4, 3] }],
  run: (x) => slice(x, { axis: 0, start: -2 }),
  reference: (x) => ref.slice(x, 0, 2, 4),
});
for (const axis of [0, 1, 2]) {
  checkOp(`concat along axis ${axis}`, {
    inputs: [0, 1, 2].map((k) => ({ shape: [2, 3, 4].with(axis, k + 1) })),
    run: (...parts) => concat(parts, axis),
    reference: (...parts) => ref.concat(parts, axis),
  });
}
checkOp("concat of a tensor with itself", {
  inputs: [{ shape: [3] }],
  run: (x) => concat([x, x]),
  reference: (x) => ref.concat([x, x], 0),
});
for (const [from, to] of [[[1], [5]], [[3, 1], [3, 4]], [[1, 3], [2, 5, 3]], [[], [2, 2]]]) {
  checkOp(`expand of (${from}) to (${to})`, {
    inputs: [{ shape: from }],
    run: (x) => expand(x, to),
    reference: (x) => ref.zip(x, nd(to, () => 0), (v) => v),
  });
}
checkOp("copy passes the gradient on", {
  inputs: [{ shape: [9] }],
  run: (x) => copy(x),
  reference: (x) => x,
});

gpuTest("copies have what was copied, of both types and any size, and others are refused with a line", async (gpu) => {
  using _ = new Scope(gpu);
  const of = (values: number[]) => tensor(gpu, values);
  for (const values of [[1], [1, 2, 3], [5, 4, 3, 2, 1]]) {
    for (const x of gpu.hasF16 ? [of(values), cast(of(values), "f16")] : [of(values)]) {
      assertEquals([...await copy(x).read()], values);
    }
  }
  const x = of([1, 2]), refused = "both must be of one size and type, in memory of their own";
  const others = [x, of([1, 2, 3]), tensor(gpu, new Int32Array(2))];
  for (const other of others) assertThrows(() => copyInto(x, other), WeftError, refused);
  copyInto(x, of([3, 4]));
  assertEquals([...await x.read()], [3, 4]);
});

gpuTest("a permutation reaches every element past 65,535 workgroups, of any type", async (gpu) => {
  using _ = new Scope(gpu);
  const n = 65_535 * 64 / 3 + 5, rows = Math.floor(n);
  const x = tensor(gpu, new Int32Array(rows * 3).map((_, i) => i), [rows, 3]);
  const y = (await readTensors([transpose(x)]))[0].data as Int32Array;
  assertEquals(y.findIndex((v, i) => v !== (i % rows) * 3 + Math.floor(i / rows)), -1);
});

gpuTest("detach stops the gradient", async (gpu) => {
  const { backward } = await import("../mod.ts");
  const x = tensor(gpu, [2, 3], [2], { requiresGrad: true });
  using _ = new Scope(gpu, { grad: true });
  backward(sum(mul(x, detach(x))));
  assertEquals([...await x.grad!.read()], [2, 3]);
});

gpuTest("layouts that cannot be are errors that name the shapes", (gpu) => {
  using _ = new Scope(gpu);
  const x = fill(gpu, [2, 3], 0);
  assertThrows(
    () => reshape(x, [4, 2]),
    WeftError,
    "Cannot reshape (2, 3) to (4, 2): both must have 6 elements",
  );
  assertThrows(() => reshape(x, [-1, -1]), WeftError, "Cannot reshape");
  assertThrows(() => permute(x, [0, 0]), WeftError, "each axis must be named once");
  assertThrows(() => slice(x, { start: 1, end: 3 }), WeftError, "must be in order and within 0 to 2");
  assertThrows(() => concat([x, fill(gpu, [2, 4], 0)]), WeftError, "(2, 3) and another f32 (2, 4)");
  assertThrows(() => expand(x, [2, 6]), WeftError, "Cannot run expand");
  return Promise.resolve();
});
