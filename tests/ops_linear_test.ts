import { assertEquals, assertThrows } from "@std/assert";
import { dropout, fill, linear, type LinearOptions, matmul, productVariants, Scope, WeftError } from "../mod.ts";
import { checkOp, expectClose, gpuTest, type Nd, nd } from "./_check_op.ts";
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
const kinds: [string, LinearOptions, boolean, boolean][] = [
  ["nothing else", {}, false, false],
  ["a bias", {}, true, false],
  ["a residual", {}, false, true],
  ["GELU by erf", { gelu: "erf" }, true, false],
  ["GELU by tanh", { gelu: "tanh" }, false, false],
  ["dropout", { dropout: { p: 0.3, key } }, false, false],
  ["everything", { gelu: "tanh", dropout: { p: 0.4, key } }, true, true],
];
for (const product of [undefined, ...productVariants]) {
  for (const [name, options, biased, residual] of kinds) {
    if (product?.endsWith("parts") && name !== "everything" && name !== "nothing else") continue;
    const inputs = [{ shape: [2, 5, 20] }, { shape: [20, 18] }];
    if (biased) inputs.push({ shape: [18] });
    if (residual) inputs.push({ shape: [2, 5, 18] });
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
