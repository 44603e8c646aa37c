import { assertEquals, assertThrows } from "@std/assert";
import {
  add,
  backward,
  crossEntropy,
  fill,
  type Gpu,
  linearCrossEntropy,
  logSoftmax,
  matmul,
  mul,
  rowVariants,
  Scope,
  softmax,
  sum,
  tensor,
  WeftError,
} from "../mod.ts";
import { checkOp, checkPastLimit, expectClose, force, gpuTest } from "./_check_op.ts";
import * as ref from "./_reference.ts";

const logRow = (row: number[]) => ref.softmaxRow(row).map(Math.log);
for (const shape of [[1, 1], [5, 3], [70, 65], [2, 3, 129]]) {
  const input = { shape, range: [-6, 6] as const };
  checkOp(`softmax of (${shape})`, {
    inputs: [input],
    run: (x) => softmax(x),
    reference: (x) => ref.rows(x, ref.softmaxRow),
  });
  checkOp(`log-softmax of (${shape})`, {
    inputs: [input],
    run: (x) => logSoftmax(x),
    reference: (x) => ref.rows(x, logRow),
  });
}
for (const shape of [[1, 1], [5, 3], [70, 65], [2, 3, 300]]) {
  const input = { shape, range: [-6, 6] as const }, forced = { rows: "shared" };
  checkOp(`softmax of (${shape}) by workgroups`, {
    inputs: [input],
    run: (x) => softmax(x),
    reference: (x) => ref.rows(x, ref.softmaxRow),
    forced,
  });
  checkOp(`log-softmax of (${shape}) by workgroups`, {
    inputs: [input],
    run: (x) => logSoftmax(x),
    reference: (x) => ref.rows(x, logRow),
    forced,
  });
  const V = shape.at(-1)!, leading = shape.slice(0, -1), rows = leading.reduce((m, n) => m * n, 1);
  checkOp(`cross-entropy of (${shape}) by workgroups`, {
    inputs: [input, {
      shape: leading,
      values: Array.from({ length: rows }, (_, r) => (r * 7 + 3) % V),
      integer: true,
    }],
    run: (logits, targets) => crossEntropy(logits, targets),
    reference: (logits, targets) => ref.crossEntropy(logits, targets),
    forced,
  });
}
checkOp("softmax along the first axis", {
  inputs: [{ shape: [4, 3, 5], range: [-3, 3] }],
  run: (x) => softmax(x, 0),
  reference: (x) => ref.permute(ref.rows(ref.permute(x, [2, 1, 0]), ref.softmaxRow), [2, 1, 0]),
});

const targetsOf = (rows: number, V: number) => Array.from({ length: rows }, (_, r) => (r * 7 + 3) % V);
for (const [shape, V] of [[[1], 1], [[1], 5], [[6], 65], [[3, 50], 66], [[300], 7]] as [number[], number][]) {
  const rows = shape.reduce((product, extent) => product * extent, 1);
  checkOp(`cross-entropy of (${shape}) targets in ${V} classes`, {
    inputs: [{ shape: [...shape, V], range: [-5, 5] }, { shape, values: targetsOf(rows, V), integer: true }],
    run: (logits, targets) => crossEntropy(logits, targets),
    reference: (logits, targets) => ref.crossEntropy(logits, targets),
  });
}
for (const ignoreIndex of [-100, -1, 2]) {
  checkOp(`cross-entropy that ignores ${ignoreIndex}`, {
    inputs: [{ shape: [9, 5] }, {
      shape: [9],
      values: [0, 1, ignoreIndex, 3, 4, ignoreIndex, 1, 0, ignoreIndex],
      integer: true,
    }],
    run: (logits, targets) => crossEntropy(logits, targets, { ignoreIndex }),
    reference: (logits, targets) => ref.crossEntropy(logits, targets, ignoreIndex),
  });
}

for (const [rows, C, V, chunk] of [[1, 3, 5, 1], [7, 8, 11, 3], [40, 16, 65, 16], [12, 4, 9, 100]]) {
  checkOp(`cross-entropy of a linear layer: ${rows} rows, ${V} classes, ${chunk} at a time`, {
    inputs: [{ shape: [rows, C] }, { shape: [V, C], range: [-2, 2] }, {
      shape: [rows],
      values: targetsOf(rows, V).map((target, i) => i % 5 === 3 ? -100 : target),
      integer: true,
    }],
    run: (x, weight, targets) => linearCrossEntropy(x, weight, targets, { chunk }),
    reference: (x, weight, targets) => ref.crossEntropy(ref.matmul(x, weight, false, true), targets),
  });
}

gpuTest("the cross-entropy of a linear layer takes part in a larger loss, and needs no gradient", async (gpu) => {
  const x = tensor(gpu, [1, 2, -1, 0.5], [2, 2], { requiresGrad: true });
  const weight = tensor(gpu, [1, 0, 0, 1, 1, 1], [3, 2]), targets = tensor(gpu, new Int32Array([2, 0]));
  const gradients: Float32Array[] = [];
  for (const whole of [true, false]) {
    using _ = new Scope(gpu, { grad: true });
    const loss = whole
      ? crossEntropy(matmul(x, weight, { transposeB: true }), targets)
      : linearCrossEntropy(x, weight, targets);
    backward(add(mul(loss, loss), sum(x)), { scale: 0.5 });
    gradients.push(await x.grad!.read());
    x.zeroGrad();
  }
  expectClose("gradient", gradients[1], gradients[0], 1e-6);
  using _ = new Scope(gpu);
  const loss = await linearCrossEntropy(x, weight, targets).item();
  expectClose("loss", [loss], [await crossEntropy(matmul(x, weight, { transposeB: true }), targets).item()], 1e-6);
  assertThrows(() => linearCrossEntropy(x, fill(gpu, [3, 4], 0), targets), WeftError, "the weight must be (V, 2)");
  assertThrows(() => linearCrossEntropy(x, weight, fill(gpu, [2], 0)), WeftError, "targets f32 (2)");
});

gpuTest("large logits neither overflow nor lose the answer", async (gpu) => {
  for (const rows of rowVariants) {
    using _forced = force(gpu, { rows });
    await checkLargeLogits(gpu);
  }
});

async function checkLargeLogits(gpu: Gpu): Promise<void> {
  using _ = new Scope(gpu);
  const logits = tensor(gpu, [1e4, 0, -1e4, 300, 301, 302], [2, 3]);
  expectClose("softmax", await softmax(logits).read(), [1, 0, 0, ...ref.softmaxRow([300, 301, 302])], 1e-6);
  const loss = await crossEntropy(logits, tensor(gpu, new Int32Array([1, 2]))).item();
  expectClose("loss", [loss], [(1e4 - Math.log(ref.softmaxRow([300, 301, 302])[2])) / 2], 1e-6);
}

checkPastLimit("softmax", [3, 2], 3, (x) => softmax(x));
checkPastLimit("log-softmax", [3, 2], 3, (x) => logSoftmax(x));

gpuTest("cross-entropy and its gradient reach every row past 65,535 workgroups", async (gpu) => {
  using _ = new Scope(gpu, { grad: true });
  const rows = 65_535 * 64 + 9, targets = tensor(gpu, new Int32Array(rows));
  const logits = fill(gpu, [rows, 2], 1, { requiresGrad: true }), loss = crossEntropy(logits, targets);
  backward(loss, { scale: rows });
  expectClose("loss", [await loss.item()], [Math.LN2], 1e-5);
  const grad = await logits.grad!.read(); // softmax is ½ and ½, and the first class is right
  assertEquals(grad.findIndex((v, i) => Math.abs(v - (i % 2 - 0.5)) > 1e-6), -1);
});

gpuTest("a target that is no class makes the loss NaN, as does counting none", async (gpu) => {
  using _ = new Scope(gpu);
  const logits = fill(gpu, [2, 3], 0);
  assertEquals(await crossEntropy(logits, tensor(gpu, new Int32Array([0, 3]))).item(), NaN);
  assertEquals(await crossEntropy(logits, tensor(gpu, new Int32Array([-1, 0]))).item(), NaN);
  assertEquals(await crossEntropy(logits, tensor(gpu, new Int32Array([-100, -100]))).item(), NaN);
});

gpuTest("targets of another shape or type are named", (gpu) => {
  using _ = new Scope(gpu);
  const logits = fill(gpu, [2, 3], 0);
  assertThrows(
    () => crossEntropy(logits, tensor(gpu, new Int32Array(3))),
    WeftError,
    "logits is (2, 3) and targets i32 (3)",
  );
  assertThrows(() => crossEntropy(logits, fill(gpu, [2], 0)), WeftError, "targets f32 (2)");
  return Promise.resolve();
});
