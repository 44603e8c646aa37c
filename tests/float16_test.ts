import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  AdamW,
  add,
  attention,
  attentionVariants,
  backward,
  cast,
  checkpointed,
  concat,
  dropout,
  expand,
  fill,
  gelu,
  type Gpu,
  layerNorm,
  linear,
  linearCrossEntropy,
  matmul,
  mul,
  permute,
  productVariants,
  reshape,
  rmsNorm,
  rowVariants,
  Scope,
  selfAttention,
  slice,
  sum,
  tensor,
  WeftError,
} from "../mod.ts";
import { checkHalf, checkHalfProducts, key } from "./_check_half.ts";
import { expectClose, gpuTest } from "./_check_op.ts";

// Register tiles compile for seconds in float16; their other tests are in tests/long/float16_long_test.ts.
for (const product of productVariants) if (!product.startsWith("registers")) checkHalfProducts(product);
checkHalf("a product that is f32", {
  halves: [[6, 10], [10, 5]],
  run: ([a, b]) => matmul(a, b, { dtype: "f32" }),
  result: "f32",
});
for (const attentionBy of attentionVariants) {
  for (const [B, H, T, D] of [[2, 2, 9, 8], [1, 2, 70, 32], [1, 1, 33, 64]]) {
    if (attentionBy.startsWith("blocks") && D > 32) continue; // they compile for a minute: tests/long/float16_long_test.ts
    checkHalf(`attention by ${attentionBy} (${B},${H},${T},${D})`, {
      halves: [[B, T, 3 * H * D]],
      run: ([qkv]) => selfAttention(qkv, H, { dropout: { p: 0.2, key } }),
      forced: { attention: attentionBy },
    });
  }
}
checkHalf("attention of other queries than keys", {
  halves: [[1, 2, 5, 7], [1, 2, 9, 7], [1, 2, 9, 7]],
  run: ([q, k, v]) => attention(q, k, v),
});
for (const rows of rowVariants) {
  checkHalf(`norms, ${rows}`, {
    halves: [[3, 5, 70]],
    singles: [[70], [70]],
    run: ([x], [weight, bias]) => rmsNorm(layerNorm(x, weight, bias), weight),
    forced: { rows },
  });
  checkHalf(`cross-entropy of a linear layer in chunks, ${rows}`, {
    halves: [[2, 9, 12], [33, 12]],
    run: ([x, weight]) =>
      linearCrossEntropy(x, weight, tensor(x.gpu, new Int32Array(18).map((_, i) => i * 5 % 33), [2, 9]), { chunk: 7 }),
    forced: { rows },
    result: "f32",
  });
}
checkHalf("GELU of both forms and dropout", {
  halves: [[3, 7]],
  run: ([x]) => dropout(gelu(gelu(x, "erf"), "tanh"), 0.4, key),
});
checkHalf("sums and products that broadcast", {
  halves: [[4, 5, 6], [5, 1], [6]],
  run: ([a, b, c]) => add(mul(a, b), c),
});
checkHalf("moves in memory", {
  halves: [[3, 4, 5], [1, 4, 5]],
  run: ([a, b]) =>
    concat([slice(permute(reshape(a, [4, 3, 5]), [1, 0, 2]), { axis: 1, start: 1 }), expand(b, [3, 4, 5])], 1),
});
checkHalf("a block that is computed twice", {
  halves: [[5, 8], [8, 8]],
  run: ([x, weight]) => checkpointed(x, (x) => gelu(linear(x, weight))),
});

gpuTest("f16: numbers keep 11 bits, ties go to even, and what is too large becomes infinite", async (gpu) => {
  using _ = new Scope(gpu);
  const x = tensor(gpu, [1 / 3, 2049, 2051, 65519, 65520, -1e6, 1e-8, 6e-8]);
  const expected = [...await x.read()].map(Math.f16round);
  assertEquals([...await cast(x, "f16").read()], expected);
  assertEquals([...await cast(cast(x, "f16"), "f32").read()], expected);
  assertEquals([...await fill(gpu, [3], 0.1, { dtype: "f16" }).read()], [0, 0, 0].map(() => Math.f16round(0.1)));
  assertEquals([...await tensor(gpu, [1, 2, 3], [3], { dtype: "f16" }).read()], [1, 2, 3]); // an odd number of bytes / 2
});

gpuTest("f16: it takes half the memory, and a gradient that reaches an f32 leaf is f32", async (gpu) => {
  using _ = new Scope(gpu, { grad: true });
  const x = tensor(gpu, new Float32Array(4096), [4096], { requiresGrad: true }), before = gpu.memory.bytesInUse;
  const half = cast(x, "f16");
  assertEquals(gpu.memory.bytesInUse - before, 8192);
  backward(sum(cast(half, "f32")));
  assertEquals([x.grad!.dtype, (await x.grad!.read())[4095]], ["f32", 1]);
});

gpuTest("f16: what an operation cannot take is refused, saying what helps", (gpu) => {
  using _ = new Scope(gpu);
  const half = fill(gpu, [4, 4], 1, { dtype: "f16" }), single = fill(gpu, [4, 4], 1);
  assertThrows(() => add(half, single), WeftError, "cast one of them to the type of the other");
  assertThrows(() => matmul(half, single), WeftError, "b is f32 (4, 4): both must be f32, or both f16");
  assertThrows(() => linear(half, single), WeftError, "of the same type");
  assertThrows(() => layerNorm(single, fill(gpu, [4], 1, { dtype: "f16" })), WeftError, 'cast(weight, "f32")');
  assertThrows(() => cast(tensor(gpu, new Int32Array(2)), "f16"), WeftError, "x (2) is i32");
  assertThrows(() => sum(half), WeftError, "it must be f32");
  return Promise.resolve();
});

gpuTest("f16: an adapter without it refuses", async (gpu) => {
  const none = Object.create(gpu, { hasF16: { value: false } }) as Gpu;
  await assertRejects(
    // deno-lint-ignore require-await
    async () => tensor(none, [1], [1], { dtype: "f16" }),
    WeftError,
    "computes with f32 alone",
  );
});

/** Steps of one weight, whose gradient is `factor` times the loss scale. */
function stepper(gpu: Gpu, options: { lossScale?: number; growthInterval?: number }) {
  const w = tensor(gpu, [1, 2], [1, 2], { requiresGrad: true });
  const optimizer = new AdamW(new Map([["w", w]]), { ...options, weightDecay: 0 });
  const step = (factor: number) => {
    using _ = new Scope(gpu, { grad: true });
    const half = mul(cast(w, "f16"), fill(gpu, [1, 2], factor, { dtype: "f16" }));
    backward(sum(cast(half, "f32")), { scale: optimizer.gradientOfLoss() });
    optimizer.step({ lr: 0.1, clip: 1 });
  };
  return { w, optimizer, step };
}

gpuTest("the loss scale halves when gradients overflow, and that step changes and counts nothing", async (gpu) => {
  const { w, optimizer, step } = stepper(gpu, { lossScale: 65_536 });
  const scales: number[] = [];
  for (let i = 0; i < 3; i++) {
    step(3); // f16 holds 3 · 16,384 and not 3 · 32,768
    scales.push((await optimizer.lossScale.read())[0]);
    assertEquals([...await w.read()].every((v, i) => v === i + 1), i < 2);
  }
  assertEquals(scales, [32_768, 16_384, 16_384]);
  const [norm, applied] = await optimizer.lastStep.read();
  expectClose("norm", [norm], [3 * Math.SQRT2], 1e-6);
  expectClose("factor", [16_384 * applied], [1 / norm], 1e-5);
  assertEquals([...await optimizer.lossScale.read()], [16_384, 1, 2]);
  // As the first step of an optimizer without a loss scale.
  const plain = stepper(gpu, {});
  plain.step(3);
  expectClose("w", await w.read(), await plain.w.read(), 1e-6);
});

gpuTest("the loss scale doubles after steps without overflow", async (gpu) => {
  const { optimizer, step } = stepper(gpu, { lossScale: 4, growthInterval: 3 });
  for (const expected of [[4, 1, 0], [4, 2, 0], [8, 0, 0], [8, 1, 0]]) {
    step(1);
    assertEquals([...await optimizer.lossScale.read()], expected);
  }
});

gpuTest("the bias of the moments is what float64 gives, in the first step and after many", async (gpu) => {
  for (const [beta1, beta2] of [[0.9, 0.999], [0.5, 0.95], [0, 0.99]]) {
    const w = tensor(gpu, [1], [1], { requiresGrad: true });
    const optimizer = new AdamW(new Map([["w", w]]), { beta1, beta2 });
    for (const steps of [1, 2, 5, 50, 400, 20_000]) {
      optimizer.steps = steps - 1;
      using _ = new Scope(gpu, { grad: true });
      backward(sum(w));
      optimizer.step({ lr: 1 });
      const [, , rate, root] = await optimizer.lastStep.read();
      expectClose(`${steps} steps`, [rate, root], [1 / (1 - beta1 ** steps), Math.sqrt(1 - beta2 ** steps)], 1e-6);
    }
  }
});
