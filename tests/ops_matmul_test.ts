import { assertEquals, assertThrows } from "@std/assert";
import { mat4 } from "wgpu-matrix";
import { fill, matmul, mul, productVariants, randomNormals, randomUniform, Scope, tensor, WeftError } from "../mod.ts";
import { partOf } from "../engine/parts.ts";
import { checkOp, checkPastLimit, expectClose, force, gpuTest, nd } from "./_check_op.ts";
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

// Around the edges of every tile (4, 8, 16, 32, 64, 128), and K around its depth and its parts.
const edges = [[1, 4, 16], [3, 130, 20], [31, 17, 33], [33, 129, 64], [64, 64, 72], [36, 132, 24], [132, 68, 100], [
  129,
  260,
  300,
]];
const ways = productVariants.map((
  product,
) => ({ product, loads: /^work/.test(product) ? "buffers" : "texels" } as const));
for (const { product, loads } of [...ways, { product: "quads", loads: "buffers" } as const]) {
  for (const [transposeA, transposeB] of [[false, false], [false, true], [true, false], [true, true]]) {
    gpuTest(`products by ${product}, ${loads}, ${transposeA ? "T" : "N"}${transposeB ? "T" : "N"}`, async (gpu) => {
      using _forced = force(gpu, { product, loads });
      for (const [M, N, K] of edges) {
        using _ = new Scope(gpu);
        const [a, b] = [[M, K], [K, N]].map(([rows, columns], stream) =>
          nd(
            (stream ? transposeB : transposeA) ? [columns, rows] : [rows, columns],
            (i) => Math.fround(randomUniform(M, stream, i) - 0.5),
          )
        );
        const [x, y] = [a, b].map(({ shape, data }) => tensor(gpu, Float32Array.from(data), shape));
        const c = await matmul(x, y, { transposeA, transposeB }).read();
        expectClose(`${M}×${N}×${K}`, c, ref.matmul(a, b, transposeA, transposeB).data, 1e-6);
      }
    });
  }
}
for (const product of productVariants) {
  checkOp(`gradients of batches by ${product}`, {
    inputs: [{ shape: [3, 5, 20] }, { shape: [3, 20, 4] }],
    run: (a, b) => matmul(a, b),
    reference: (a, b) => ref.matmul(a, b),
    forced: { product },
    samples: 6,
  });
}

for (const { product, loads } of [...ways, { product: "quads", loads: "buffers" } as const]) {
  gpuTest(`products by ${product}, ${loads}: what lies beyond the last k counts for nothing`, async (gpu) => {
    using _forced = force(gpu, { product, loads });
    for (const K of [5, 6, 7, 8]) {
      for (const [transposeA, transposeB] of [[false, false], [false, true], [true, false], [true, true]]) {
        using _ = new Scope(gpu);
        const M = 20, N = 36, row = 3, column = 34;
        // No numbers behind the operands in memory, and in a row of A and a column of B.
        const operand = (rows: number, transposed: boolean, bad: number, stream: number) => {
          const values = Array.from({ length: rows * K }, (_, i) => Math.fround(randomUniform(K, stream, i) - 0.5));
          for (let k = 0; k < K; k++) values[transposed ? k * rows + bad : bad * K + k] = NaN;
          const memory = tensor(gpu, [...values, ...new Array(4 * rows).fill(NaN)]);
          const shape = transposed ? [K, rows] : [rows, K];
          return { x: partOf(memory, 0, shape), nd: nd(shape, (i) => values[i]) };
        };
        const a = operand(M, transposeA, row, 0), b = operand(N, !transposeB, column, 1);
        const c = await matmul(a.x, b.x, { transposeA, transposeB }).read(), what = `K ${K}`;
        const expected = ref.matmul(a.nd, b.nd, transposeA, transposeB).data;
        assertEquals(Array.from(c, isNaN), Array.from(expected, isNaN), what);
        const zeros = (values: ArrayLike<number>) => Array.from(values, (v) => isNaN(v) ? 0 : v);
        expectClose(what, zeros(c), zeros(expected), 1e-6);
      }
    }
  });
}

gpuTest("a way to compute products that there is not is refused with those that there are", (gpu) => {
  using _forced = force(gpu, { product: "registers, shuffled" });
  const x = fill(gpu, [4, 4], 1);
  assertThrows(
    () => matmul(x, x),
    WeftError,
    'No product is computed by "registers, shuffled": the ways are registers; ',
  );
  return Promise.resolve();
});

gpuTest("a product of more k than a loop may have rounds is refused, where there is such a limit", async (gpu) => {
  using _ = new Scope(gpu);
  using _forced = force(gpu, { product: "registers" });
  const K = 65_001, a = fill(gpu, [32, K], 1), b = fill(gpu, [K, 4], 1);
  if (gpu.loopLimit === Infinity) return assertEquals((await matmul(a, b).read())[0], K);
  assertThrows(() => matmul(a, b), WeftError, "this driver stops at");
});

gpuTest("workgroups that take tiles in turns stay below the limit of loops, and leave none", async (gpu) => {
  using _forced = force(gpu, { product: "quads" });
  // Without a limit to its share, each of the few workgroups of a CPU with two cores would take more than 65,535 rounds.
  for (const [M, N, K] of [[1024, 1024, 4096], [1600, 1600, 1024], [32, 32, 4], [33, 4, 65_000]]) {
    using _ = new Scope(gpu);
    const x = tensor(gpu, Float32Array.from({ length: M }, (_, m) => m % 7 - 3), [M, 1]);
    const y = tensor(gpu, Float32Array.from({ length: N }, (_, n) => n % 5 - 2), [1, N]);
    const c = await matmul(mul(fill(gpu, [M, K], 1), x), mul(fill(gpu, [K, N], 1), y)).read();
    const wrong = c.findIndex((v, i) => v !== K * (Math.floor(i / N) % 7 - 3) * (i % N % 5 - 2));
    assertEquals(wrong, -1, `${M}×${N}×${K}: element ${wrong} is ${c[wrong]}`);
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

checkPastLimit("products", [4, 20], 20, (x) => {
  return matmul(x, tensor(x.gpu, randomNormals(80, { seed: 1, stream: 2 }), [20, 4]));
}, { product: "quads" });

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
