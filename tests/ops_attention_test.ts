import { assertEquals, assertThrows } from "@std/assert";
import {
  attention,
  attentionVariants,
  backward,
  fill,
  mul,
  randomNormals,
  Scope,
  selfAttention,
  sum,
  tensor,
  WeftError,
} from "../mod.ts";
import { checkOp, checkPastLimit, expectClose, gpuTest } from "./_check_op.ts";
import * as ref from "./_reference.ts";

for (const [B, H, T, D] of [[1, 1, 1, 1], [2, 3, 5, 4], [1, 2, 33, 11], [2, 1, 65, 16], [1, 1, 7, 70]]) {
  for (const causal of [true, false]) {
    const shape = [B, H, T, D], name = `attention (${shape}) ${causal ? "causal" : "full"}`;
    checkOp(name, {
      inputs: [{ shape, range: [-2, 2] }, { shape, range: [-2, 2] }, { shape }],
      run: (q, k, v) => attention(q, k, v, { causal }),
      reference: (q, k, v) => ref.attention(q, k, v, causal),
      samples: 8,
    });
    checkOp(`${name}, packed`, {
      inputs: [{ shape: [B, T, 3 * H * D], range: [-2, 2] }],
      run: (qkv) => selfAttention(qkv, H, { causal }),
      reference: (qkv) => ref.selfAttention(qkv, H, causal),
      samples: 12,
    });
  }
}
for (const causal of [true, false]) {
  checkOp(`attention of 3 queries to 40 keys, ${causal ? "causal" : "full"}, with another scale`, {
    inputs: [{ shape: [2, 2, 3, 8] }, { shape: [2, 2, 40, 8] }, { shape: [2, 2, 40, 8] }],
    run: (q, k, v) => attention(q, k, v, { causal, scale: 0.9 }),
    reference: (q, k, v) => ref.attention(q, k, v, causal, { scale: 0.9 }),
    samples: 8,
  });
}
for (const attentionBy of attentionVariants) {
  for (const [B, H, T, D] of [[2, 2, 3, 4], [1, 3, 35, 8], [1, 1, 70, 16], [2, 1, 131, 4]]) {
    for (const causal of [true, false]) {
      const dropout = { p: 0.25, key: { seed: 3, counter: 8 } };
      checkOp(`self-attention by ${attentionBy}, (${B},${T},${H},${D}) ${causal ? "causal" : "full"}, with dropout`, {
        inputs: [{ shape: [B, T, 3 * H * D], range: [-1.5, 1.5] }],
        run: (qkv) => selfAttention(qkv, H, { causal, dropout }),
        reference: (qkv) => ref.selfAttention(qkv, H, causal, dropout),
        forced: { attention: attentionBy },
        samples: 6,
      });
    }
  }
  checkOp(`attention of 5 queries to 37 keys by ${attentionBy}`, {
    inputs: [{ shape: [2, 1, 5, 12] }, { shape: [2, 1, 37, 12] }, { shape: [2, 1, 37, 12] }],
    run: (q, k, v) => attention(q, k, v),
    reference: (q, k, v) => ref.attention(q, k, v, true),
    forced: { attention: attentionBy },
    samples: 8,
  });
}

checkOp("attention with one tensor as queries, keys and values", {
  inputs: [{ shape: [1, 2, 6, 4] }],
  run: (x) => attention(x, x, x),
  reference: (x) => ref.attention(x, x, x, true),
});

for (const causal of [true, false]) {
  const dropout = { p: 0.3, key: { seed: 2 ** 40 + 7, counter: 3 } }, shape = [2, 3, 9, 6];
  checkOp(`attention with dropout, ${causal ? "causal" : "full"}`, {
    inputs: [{ shape: [2, 3, 4, 6] }, { shape }, { shape }],
    run: (q, k, v) => attention(q, k, v, { causal, dropout }),
    reference: (q, k, v) => ref.attention(q, k, v, causal, { dropout }),
  });
  checkOp(`attention with dropout, ${causal ? "causal" : "full"}, packed`, {
    inputs: [{ shape: [2, 9, 54] }],
    run: (qkv) => selfAttention(qkv, 3, { causal, dropout }),
    reference: (qkv) => ref.selfAttention(qkv, 3, causal, dropout),
  });
}
checkPastLimit("attention", [3, 1, 2, 1], 12, (x) => attention(x, x, x, { causal: false }));

gpuTest("attention reaches every query past 65,535 workgroups", async (gpu) => {
  using _ = new Scope(gpu);
  const rows = 65_535 * 32 + 5, q = fill(gpu, [rows, 1, 1, 1], 1), v = fill(gpu, [rows, 1, 1, 1], 5);
  assertEquals((await attention(q, q, v).read()).findIndex((value) => value !== 5), -1);
});

gpuTest("large scores neither overflow nor vanish", async (gpu) => {
  using _ = new Scope(gpu);
  const q = fill(gpu, [1, 1, 9, 4], 200),
    v = tensor(gpu, randomNormals(36, { seed: 1, stream: 0 }), [1, 1, 9, 4]);
  const o = await attention(q, q, v, { causal: false }).read(); // all scores are equal: the mean of v
  const values = await v.read();
  const means = [0, 1, 2, 3].map((d) => [...values].filter((_, i) => i % 4 === d).reduce((s, x) => s + x, 0) / 9);
  expectClose("mean", o, Array.from(o, (_, i) => means[i % 4]), 1e-5);
});

gpuTest("dropout of attention has the right rate and the gradient of its own mask", async (gpu) => {
  const [B, H, T, D, p] = [4, 4, 32, 8, 0.25], shape = [B, H, T, D], key = { seed: 5, counter: 9 };
  using _ = new Scope(gpu, { grad: true });
  const q = fill(gpu, shape, 0),
    ones = tensor(gpu, new Float32Array(B * H * T * D).fill(1), shape, { requiresGrad: true });
  const options = { causal: false, dropout: { p, key } };
  const o = attention(q, q, ones, options), again = attention(q, q, ones, options);
  const [first, second] = [await o.read(), await again.read()];
  assertEquals(first, second); // the same key, the same mask
  const other = await attention(q, q, ones, { causal: false, dropout: { p, key: { seed: 5, counter: 10 } } })
    .read();
  assertEquals(first.some((v, i) => v !== other[i]), true);
  // Each output is the share of keys that were kept, over 1 − p: mean 1, standard deviation √(p / (1 − p) / T).
  const rows = B * H * T, mean = first.reduce((s, v) => s + v, 0) / first.length;
  const sigma = Math.sqrt(p / (1 - p) / T / rows);
  if (Math.abs(mean - 1) > 5 * sigma) {
    throw new Error(`the mean is ${mean}, ${Math.abs(mean - 1) / sigma} sigma from 1`);
  }
  // o is linear in v: Σ w · o = Σ v · dv, so with v = 1 the gradients add up to Σ w · o.
  const w = tensor(gpu, randomNormals(first.length, { seed: 1, stream: 1 }), shape);
  const weights = await w.read();
  backward(sum(mul(o, w)));
  const dv = await ones.grad!.read();
  const left = first.reduce((s, v, i) => s + v * weights[i], 0), right = dv.reduce((s, v) => s + v, 0);
  expectClose("sum", [right], [left], 1e-4);
});

gpuTest("dropout's gradients of q and k agree with differences", async (gpu) => {
  const shape = [1, 2, 12, 4], n = 96, dropout = { p: 0.3, key: { seed: 2, counter: 1 } };
  const data = [0, 1, 2].map((k) => randomNormals(n, { seed: 3, stream: k }));
  const w = randomNormals(n, { seed: 3, stream: 9 });
  const objective = async (values: Float32Array<ArrayBuffer>[]): Promise<number> => {
    using _ = new Scope(gpu);
    const [q, k, v] = values.map((x) => tensor(gpu, x, shape));
    const o = await attention(q, k, v, { dropout }).read();
    return o.reduce((s, x, i) => s + x * w[i], 0);
  };
  const leaves = data.map((x) => tensor(gpu, x, shape, { requiresGrad: true }));
  {
    using _ = new Scope(gpu, { grad: true });
    backward(sum(mul(attention(leaves[0], leaves[1], leaves[2], { dropout }), tensor(gpu, w, shape))));
  }
  for (const [k, leaf] of leaves.entries()) {
    const grad = await leaf.grad!.read(), direction = randomNormals(n, { seed: 4, stream: k }), step = 1e-2;
    const moved = (sign: number) => data.map((x, i) => i === k ? x.map((v, j) => v + sign * step * direction[j]) : x);
    const numeric = (await objective(moved(1)) - await objective(moved(-1))) / (2 * step);
    const analytic = grad.reduce((s, g, j) => s + g * direction[j], 0);
    expectClose(`directional derivative of input ${k}`, [analytic], [numeric], 3e-3);
  }
});

gpuTest("shapes that do not fit are errors", (gpu) => {
  using _ = new Scope(gpu);
  const x = fill(gpu, [1, 2, 3, 4], 0), longer = fill(gpu, [1, 2, 5, 4], 0);
  assertThrows(() => attention(longer, x, x), WeftError, "causal attention of 5 queries over 3 keys");
  assertThrows(() => attention(x, x, longer), WeftError, "Cannot run attention as v is (1, 2, 5, 4)");
  assertThrows(() => selfAttention(fill(gpu, [1, 3, 10], 0), 2), WeftError, "it must be (B, T, 3C)");
  return Promise.resolve();
});
