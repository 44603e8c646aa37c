import { assertEquals, assertThrows } from "@std/assert";
import { gelu, linear, matmul, randomNormals, Scope, type Tensor, tensor, WeftError } from "../mod.ts";
import { cachedAttention, keysAndValues, placesAfter, storeKeysAndValues } from "../engine/ops/cached_attention.ts";
import { lastTokens } from "../engine/ops/sample.ts";
import { asHardware, expectClose, force, gpuTest } from "./_check_op.ts";

/** Attention of the token at place t to those up to it, in float64: qkv of one row and head → (D). */
function attended(qkv: Float32Array, t: number, head: number, H: number, D: number): number[] {
  const at = (token: number, part: number, d: number) => qkv[(token * 3 + part) * H * D + head * D + d];
  const dims = Array.from({ length: D }, (_, d) => d);
  const scores = Array.from(
    { length: t + 1 },
    (_, j) => dims.reduce((sum, d) => sum + at(t, 0, d) * at(j, 1, d), 0) / Math.sqrt(D),
  );
  const largest = Math.max(...scores), weights = scores.map((score) => Math.exp(score - largest));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return dims.map((d) => weights.reduce((sum, weight, j) => sum + weight * at(j, 2, d), 0) / total);
}

for (
  const [H, D, S, lengths, T, hardware] of [[1, 1, 5, [0], 1], [3, 6, 40, [0, 17, 38], 1], [2, 64, 100, [90, 3], 4], [
    2,
    64,
    100,
    [90, 3],
    4,
    true,
  ], [5, 33, 24, [
    7,
  ], 9]] as const
) {
  gpuTest(
    `cached attention of ${T} tokens after ${lengths.join(", ")}, ${H} heads of ${D}${hardware ? ", as on a GPU" : ""}`,
    async (gpu) => {
      using _ = new Scope(gpu);
      using _launches = hardware ? asHardware(gpu) : undefined;
      const B = lengths.length, width = 3 * H * D, longest = Math.max(...lengths);
      const rows = lengths.map((_, b) => randomNormals((longest + 2 * T) * width, { seed: b, stream: 0, std: 1.3 }));
      const kept = keysAndValues(gpu, { rows: B, H, S, D }, "f32");
      if (longest > 0) { // each row by itself and longer than it will be said to be: what is beyond must not be seen
        rows.forEach((row, b) => {
          const numbers = tensor(gpu, new Uint32Array([b]));
          storeKeysAndValues(tensor(gpu, row.slice(0, longest * width), [1, longest, width]), kept, numbers);
        });
      }
      for (const before of [0, T]) { // the second time, those of the first are behind the others
        const from = lengths.map((length) => length + before), known = tensor(gpu, new Uint32Array(from));
        const fresh = rows.flatMap((row, b) => [...row.slice(from[b] * width, (from[b] + T) * width)]);
        const o = await cachedAttention(tensor(gpu, fresh, [B, T, width]), kept, known).read();
        const expected = rows.flatMap((row, b) =>
          Array.from(
            { length: T },
            (_, t) => Array.from({ length: H }, (_, head) => attended(row, from[b] + t, head, H, D)),
          ).flat(2)
        );
        expectClose("attention", o, expected, 2e-6);
      }
    },
  );
}

gpuTest("a full row of a cache does not write into the next", async (gpu) => {
  using _ = new Scope(gpu);
  const kept = keysAndValues(gpu, { rows: 2, H: 1, S: 3, D: 4 }, "f32");
  cachedAttention(tensor(gpu, new Float32Array(24).fill(1), [2, 1, 12]), kept, tensor(gpu, new Uint32Array([3, 2])));
  assertEquals([...await kept.keys.read()], [...new Array(20).fill(0), 1, 1, 1, 1]);
});

gpuTest("places follow the lengths of rows, and wrong shapes are refused", async (gpu) => {
  using _ = new Scope(gpu);
  const lengths = tensor(gpu, new Uint32Array([4, 0]));
  const places = await gpu.readStorages([{ storage: placesAfter(lengths, 3).storage, bytes: 24 }]);
  assertEquals([...new Uint32Array(places[0])], [4, 5, 6, 0, 1, 2]);
  const kept = keysAndValues(gpu, { rows: 2, H: 2, S: 3, D: 4 }, "f32");
  assertThrows(
    () => cachedAttention(tensor(gpu, new Float32Array(18), [2, 1, 9]), kept, lengths),
    WeftError,
    "(2, 1, 9)",
  );
  assertThrows(
    () => cachedAttention(tensor(gpu, new Float32Array(24), [1, 1, 24]), kept, lengths),
    WeftError,
    "(1, 1, 24)",
  );
});

gpuTest("the last tokens of rows of different lengths", async (gpu) => {
  using _ = new Scope(gpu);
  const history = tensor(gpu, Uint32Array.from({ length: 18 }, (_, i) => 10 * Math.floor(i / 3) + i % 3), [6, 3]);
  const rows = tensor(gpu, new Uint32Array([2, 0])), counts = tensor(gpu, new Uint32Array([1, 4]));
  const { ids, places } = lastTokens(history, rows, counts, { T: 4, end: 5 });
  const read = async (
    x: Tensor,
  ) => [...new Uint32Array((await gpu.readStorages([{ storage: x.storage, bytes: 4 * x.size }]))[0])];
  assertEquals([await read(ids), await read(places)], [[42, 0, 0, 0, 10, 20, 30, 40], [0, 7]]);
});

for (const [M, K, N] of [[1, 64, 64], [3, 128, 192], [5, 64, 448], [9, 192, 62], [2, 17_000, 64], [4, 60, 31]]) {
  gpuTest(`products of few rows: ${M} × ${K} × ${N}`, async (gpu) => {
    using _ = new Scope(gpu);
    using _forced = force(gpu, { product: "vector" });
    const make = (shape: number[], stream: number, std: number) =>
      tensor(gpu, randomNormals(shape[0] * (shape[1] ?? 1), { seed: 1, stream, std }), shape);
    const x = make([M, K], 0, 1),
      weight = make([K, N], 1, K ** -0.5),
      bias = make([N], 2, 1),
      residual = make([M, N], 3, 1);
    const [a, b, c, r] = await Promise.all([x, weight, bias, residual].map((t) => t.read()));
    const product = (m: number, n: number) => {
      let sum = 0;
      for (let k = 0; k < K; k++) sum += a[m * K + k] * b[k * N + n];
      return sum;
    };
    const plain = Array.from({ length: M * N }, (_, i) => product(Math.floor(i / N), i % N));
    expectClose("product", await linear(x, weight).read(), plain, K > 1000 ? 5e-6 : 2e-6);
    const full = linear(x, weight, { bias, gelu: "erf", residual });
    const curve = await gelu(tensor(gpu, plain.map((v, i) => v + c[i % N])), "erf").read();
    expectClose("with everything", await full.read(), r.map((v, i) => v + curve[i]), 5e-6);
    // The other way round: (N, K), with more rows than a row of a texture has texels.
    const rows = N === 64 && K === 64 ? 16_500 : N, tall = make([rows, 64], 4, 1), other = make([M, 64], 5, 1);
    const [u, w] = await Promise.all([other, tall].map((t) => t.read()));
    const expected = Array.from({ length: M * rows }, (_, i) => {
      let sum = 0;
      for (let k = 0; k < 64; k++) sum += u[Math.floor(i / rows) * 64 + k] * w[i % rows * 64 + k];
      return sum;
    });
    expectClose("transposed", await matmul(other, tall, { transposeB: true }).read(), expected, 2e-6);
  });
}
