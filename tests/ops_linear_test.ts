import { assertEquals, assertThrows } from "@std/assert";
import {
  add,
  backward,
  dropout,
  fill,
  gelu,
  linear,
  type LinearOptions,
  matmul,
  productVariants,
  randomNormals,
  reshape,
  scale,
  Scope,
  sum,
  type Tensor,
  tensor,
  WeftError,
} from "../mod.ts";
import { checkOp, expectClose, force, gpuTest, type Nd, nd } from "./_check_op.ts";
import * as ref from "./_reference.ts";

const erfGelu = (v: number) => v * (1 + ref.erf(v / Math.SQRT2)) / 2;
const tanhGelu = (v: number) => v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3))) / 2;

/** residual + dropout(gelu(x · W + bias)), each part if it is there. */
function reference(x: Nd, weight: Nd, bias: Nd | undefined, residual: Nd | undefined, options: LinearOptions): Nd {
  const [K, N] = weight.shape, rows = x.data.length / K;
  const product = ref.matmul({ shape: [rows, K], data: x.data }, weight);
  const drop = options.dropout;
  return nd([...x.shape.slice(0, -1), N], (i) => {
    let v = product.data[i] + (bias?.data[i % N] ?? 0);
    if (options.gelu) v = options.gelu === "erf" ? erfGelu(v) : tanhGelu(v);
    if (drop) v *= ref.keptOver(drop, Math.floor(i / 4), i % 4);
    return v + (residual?.data[i] ?? 0);
  });
}

const key = { seed: 9, counter: 2 };
// With N, a multiple of 4 or not: results are stored otherwise then.
const kinds: [string, LinearOptions, boolean, boolean, number][] = [
  ["nothing else", {}, false, false, 18],
  ["a bias", {}, true, false, 18],
  ["a residual", {}, false, true, 18],
  ["GELU by erf", { gelu: "erf" }, true, false, 20],
  ["GELU by tanh", { gelu: "tanh" }, false, false, 18],
  ["dropout", { dropout: { p: 0.3, key } }, false, false, 20],
  ["everything", { gelu: "tanh", dropout: { p: 0.4, key } }, true, true, 18],
  ["everything, in vec4s", { gelu: "erf", dropout: { p: 0.4, key } }, true, true, 20],
];
for (const product of [undefined, ...productVariants]) {
  for (const [name, options, biased, residual, N] of kinds) {
    if (product?.endsWith("parts") && !name.startsWith("everything") && name !== "nothing else") continue;
    const inputs = [{ shape: [2, 5, 20] }, { shape: [20, N] }];
    if (biased) inputs.push({ shape: [N] });
    if (residual) inputs.push({ shape: [2, 5, N] });
    checkOp(`linear with ${name}${product ? ` by ${product}` : ""}`, {
      inputs,
      run: (x, weight, ...rest) =>
        linear(x, weight, {
          ...options,
          ...biased ? { bias: rest[0] } : {},
          ...residual ? { residual: rest.at(-1) } : {},
        }),
      reference: (x, weight, ...rest) =>
        reference(x, weight, biased ? rest[0] : undefined, residual ? rest.at(-1) : undefined, options),
      forced: { product },
      samples: 6,
    });
  }
}

// Backward, the second product multiplies what it stores with the slope of the first one's GELU.
for (const product of [undefined, ...productVariants.filter((variant) => !variant.endsWith("parts"))]) {
  for (const [gelu, hidden] of [["tanh", 24], ["erf", 23]] as const) {
    const by = product ? `, by ${product}` : "",
      options = { gelu, ...gelu === "erf" ? { dropout: { p: 0.3, key } } : {} };
    checkOp(`linear of linear with GELU by ${gelu} of ${hidden}${by}`, {
      inputs: [{ shape: [2, 5, 20] }, { shape: [20, hidden] }, { shape: [hidden] }, { shape: [hidden, 12] }],
      run: (x, first, bias, second) => linear(linear(x, first, { bias, ...options }), second),
      reference: (x, first, bias, second) =>
        reference(reference(x, first, bias, undefined, options), second, undefined, undefined, {}),
      forced: { product },
      samples: 6,
    });
  }
}

const ends: [string, (hidden: Tensor, w: Tensor) => Tensor, number][] = [
  ["one product", (hidden, w) => linear(hidden, w), 0],
  ["two products", (hidden, w) => add(linear(hidden, w), linear(hidden, w)), 1],
  ["a product and the residual of another", (hidden, w) => linear(hidden, w, { residual: hidden }), 1],
  ["a product, and another operation", (hidden, w) => add(linear(hidden, w), scale(hidden, 2)), 1],
  ["a view", (hidden, w) => linear(reshape(hidden, [6, 32]), w), 1],
];
for (const [name, end, expected] of ends) {
  gpuTest(`the slope of a GELU is a pass of its own unless one product takes it: ${name}`, async (gpu) => {
    const make = (shape: number[], stream: number) =>
      tensor(gpu, randomNormals(shape[0] * shape[1], { seed: 3, stream }), shape, { requiresGrad: true });
    const x = make([6, 16], 0), w = make([16, 32], 1), v = make([32, 32], 2), grads: Float32Array[] = [];
    for (const fused of [true, false]) {
      using _forced = force(gpu, { product: "workgroup 1×1" });
      const step = () => {
        using _ = new Scope(gpu, { grad: true });
        const hidden = fused ? linear(x, w, { gelu: "tanh" }) : gelu(linear(x, w));
        backward(sum(end(hidden, v)));
      };
      const passes = gpu.rehearse(step).filter(({ kernel }) => kernel === "gelu.wgsl/backward").length;
      assertEquals(passes, fused ? expected : 1);
      [x, w, v].forEach((leaf) => leaf.zeroGrad());
      step();
      grads.push(await w.grad!.read());
      [x, w, v].forEach((leaf) => leaf.zeroGrad());
    }
    expectClose("gradient", grads[0], [...grads[1]], 1e-6);
  });
}

gpuTest("dropout in a product's epilogue is that of dropout", async (gpu) => {
  using _ = new Scope(gpu);
  const x = fill(gpu, [37, 20], 0.5), weight = fill(gpu, [20, 11], 0.25);
  const apart = await dropout(matmul(x, weight), 0.5, key).read();
  gpu.forced = { product: "workgroup 1×1" };
  const fused = await linear(x, weight, { dropout: { p: 0.5, key } }).read();
  gpu.forced = {};
  assertEquals(apart.some((v) => v === 0) && apart.some((v) => v !== 0), true);
  expectClose("dropped", fused, apart, 1e-6);
});

gpuTest("shapes that do not agree are errors", (gpu) => {
  using _ = new Scope(gpu);
  const x = fill(gpu, [2, 3], 0), weight = fill(gpu, [3, 4], 0);
  assertThrows(() => linear(x, fill(gpu, [4, 3], 0)), WeftError, "Cannot run linear as x is f32 (2, 3)");
  assertThrows(() => linear(x, weight, { bias: fill(gpu, [3], 0) }), WeftError, "bias");
  assertThrows(() => linear(x, weight, { residual: fill(gpu, [2, 3], 0) }), WeftError, "residual");
  return Promise.resolve();
});
