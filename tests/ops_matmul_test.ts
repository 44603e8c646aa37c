import { assertThrows } from "@std/assert";
import { mat4 } from "wgpu-matrix";
import { fill, Gpu, matmul, randomNormals, Scope, tensor, WeftError } from "../mod.ts";
import { checkOp, checkPastLimit, expectClose, gpuTest } from "./_check_op.ts";
import * as ref from "./_reference.ts";

// Below a tile, no multiple of 4, a multiple of 4 that is no multiple of a tile, several workgroups.
const sizes = [[1, 1, 1], [3, 5, 7], [16, 8, 4], [20, 12, 9], [33, 65, 17], [68, 130, 31]];
for (const [M, N, K] of sizes) {
  for (const [transposeA, transposeB] of [[false, false], [false, true], [true, false], [true, true]]) {
    checkOp(`matmul ${M} × ${N} × ${K}, ${transposeA ? "T" : "N"}${transposeB ? "T" : "N"}`, {
      inputs: [{ shape: transposeA ? [K, M] : [M, K] }, { shape: transposeB ? [N, K] : [K, N] }],
      run: (a, b) => matmul(a, b, { transposeA, transposeB }),
      reference: (a, b) => ref.matmul(a, b, transposeA, transposeB),
      samples: 6,
    });
  }
}
const batches: [number[], number[]][] = [
  [[3, 5, 7], [3, 7, 4]],
  [[3, 5, 7], [7, 4]],
  [[5, 7], [3, 7, 4]],
  [
    [2, 1, 5, 7],
    [3, 7, 4],
  ],
  [[2, 3, 20, 8], [2, 3, 8, 12]],
  [[1, 5, 7], [3, 7, 4]],
];
for (const [a, b] of batches) {
  checkOp(`matmul of batches (${a}) and (${b})`, {
    inputs: [{ shape: a }, { shape: b }],
    run: (x, y) => matmul(x, y),
    reference: (x, y) => ref.matmul(x, y),
    samples: 12,
  });
}
checkOp("matmul of batches with transposed operands that are shared", {
  inputs: [{ shape: [2, 7, 5] }, { shape: [4, 7] }],
  run: (a, b) => matmul(a, b, { transposeA: true, transposeB: true }),
  reference: (a, b) => ref.matmul(a, b, true, true),
});
checkOp("matmul of a matrix with itself", {
  inputs: [{ shape: [6, 6] }],
  run: (x) => matmul(x, x),
  reference: (x) => ref.matmul(x, x),
});

gpuTest("the tiles for GPUs compute the same on this adapter", async (shared) => {
  using gpu = await Gpu.open();
  Object.defineProperty(gpu, "isCpu", { value: !shared.isCpu });
  using _ = new Scope(gpu);
  using __ = new Scope(shared);
  for (const [M, N, K] of [...sizes, [200, 300, 40]]) {
    for (const [transposeA, transposeB] of [[false, false], [false, true], [true, false]]) {
      const [a, b] = [M * K, K * N].map((size, stream) => randomNormals(size, { seed: M + N, stream }));
      const product = (on: Gpu) =>
        matmul(tensor(on, a, transposeA ? [K, M] : [M, K]), tensor(on, b, transposeB ? [N, K] : [K, N]), {
          transposeA,
          transposeB,
        }).read();
      expectClose(`${M} × ${N} × ${K}`, await product(gpu), await product(shared), 1e-6);
    }
  }
});

gpuTest("matmul agrees with wgpu-matrix's mat4 product", async (gpu) => {
  using _ = new Scope(gpu);
  for (let i = 0; i < 5; i++) {
    const [a, b] = [0, 1].map((k) => randomNormals(16, { seed: i, stream: k }));
    // wgpu-matrix is column-major: its product of b and a, read row-major, is a · b
    const expected = mat4.multiply(b, a) as Float32Array;
    expectClose("mat4", await matmul(tensor(gpu, a, [4, 4]), tensor(gpu, b, [4, 4])).read(), expected, 1e-6);
  }
});

// 4 rows of 20 are packed as 20 vec4s.
checkPastLimit("packing and products", [4, 20], 20, (x) => {
  return matmul(x, tensor(x.gpu, randomNormals(80, { seed: 1, stream: 2 }), [20, 4]));
});

gpuTest("matmul reaches every element past 65,535 workgroups", async (gpu) => {
  using _ = new Scope(gpu);
  const batch = 65_600, x = fill(gpu, [batch, 4, 1], 1), y = fill(gpu, [batch, 1, 4], 3);
  const product = await matmul(x, y).read();
  if (product.some((v) => v !== 3)) throw new Error(`element ${product.findIndex((v) => v !== 3)} is wrong`);
});

gpuTest("operands that do not fit are named with their shapes", (gpu) => {
  using _ = new Scope(gpu);
  const error = "Cannot run matmul as a is (12, 128) and b is (64, 128): the inner dimensions must agree";
  assertThrows(() => matmul(fill(gpu, [12, 128], 0), fill(gpu, [64, 128], 0)), WeftError, error);
  assertThrows(() => matmul(fill(gpu, [4], 0), fill(gpu, [4, 4], 0)), WeftError, "2 or more dimensions");
  assertThrows(
    () => matmul(fill(gpu, [2, 3, 4], 0), fill(gpu, [3, 4, 5], 0)),
    WeftError,
    "dimension -1 is 2 and 3",
  );
  return Promise.resolve();
});
