import { assertEquals, assertThrows } from "@std/assert";
import {
  AdamW,
  add,
  backward,
  cast,
  empty,
  fill,
  Gpt,
  Gpu,
  linear,
  matmul,
  planStep,
  randomNormals,
  randomU32,
  readTensors,
  scale,
  Scope,
  type Tensor,
  tensor,
  WeftError,
} from "../mod.ts";
import { inParts, partOf, stretchesOf } from "../engine/parts.ts";
import { formatBytes } from "../engine/buffer_pool.ts";
import { expectClose, gpuTest } from "./_check_op.ts";

const config = { n_layer: 1, n_head: 2, n_embd: 32, block_size: 16, vocab_size: 3001, bias: true };

/** Logits, losses and parameters of three steps on an adapter whose bindings have `limit` bytes. */
async function train(limit: number | undefined, half: boolean) {
  using gpu = await Gpu.open();
  gpu.bindingLimit = limit ?? gpu.bindingLimit;
  const model = new Gpt(gpu, config, { seed: 2 });
  model.dtype = half ? "f16" : "f32";
  const optimizer = new AdamW(model.parameters(), half ? { lossScale: 1024 } : {});
  const ids = (stream: number) =>
    tensor(gpu, Int32Array.from({ length: 48 }, (_, i) => randomU32(1, stream, i) % 3001), [3, 16]);
  const losses: number[] = [];
  let logits = new Float32Array(), norm = 0;
  for (let step = 0; step < 3; step++) {
    using _ = new Scope(gpu, { grad: true });
    if (step === 0) logits = await model.forward(ids(9), { lastOnly: true }).read();
    const loss = model.loss(ids(step), ids(step + 4));
    backward(loss, { scale: optimizer.gradientOfLoss() });
    optimizer.step({ lr: 1e-2, clip: 1 });
    if (step === 0) norm = (await optimizer.lastStep.read())[0];
    losses.push(await loss.item());
  }
  const parameters = (await readTensors([...model.parameters().values()])).map(({ data }) => data);
  return { logits, losses, norm, parameters };
}

for (const half of [false, true]) {
  Deno.test(`an embedding that is larger than a binding trains the same in parts${half ? ", in float16" : ""}`, async () => {
    const whole = await train(undefined, half), parts = await train(96 * 1024, half); // of 384 KB
    expectClose("logits", parts.logits, whole.logits, half ? 1e-3 : 2e-6);
    expectClose("losses", parts.losses, whole.losses, half ? 1e-4 : 1e-6);
    expectClose("norm", [parts.norm], [whole.norm], half ? 1e-3 : 1e-6);
    whole.parameters.forEach((values, i) => {
      // Where gradients are near zero Adam makes steps of their rounding noise: in float16, and in the key part of c_attn.bias.
      if (!half && values.length !== 96) expectClose(`parameter ${i}`, parts.parameters[i], values, 2e-5);
    });
  });
}

Deno.test("a plan knows of parts", async () => {
  using gpu = await Gpu.open();
  const count = (kernel: string) =>
    planStep(gpu, config, { batchSize: 3 }).dispatches.optimizer.filter((dispatch) => dispatch.kernel === kernel)
      .length;
  const parameters = new Gpt(gpu, config).parameters().size, each = ["sum_squares", "update"];
  const counts = () => [...each.map((entry) => count(`adamw.wgsl/${entry}`)), count("adamw_grouped.wgsl/update")];
  const takesGroups = gpu.device.limits.maxStorageBuffersPerShaderStage >= 26;
  assertEquals(counts(), takesGroups ? [0, 0, Math.ceil(parameters / 7)] : [parameters, parameters, 0]);
  gpu.bindingLimit = 96 * 1024;
  // wte in four parts, for the norm's sum and for the update; and each parameter by itself.
  assertEquals(counts(), [parameters + 3, parameters + 3, 0]);
});

Deno.test("a linear layer larger than a binding has all that belongs to it", async () => {
  using gpu = await Gpu.open();
  using _ = new Scope(gpu);
  const make = (shape: number[], stream: number) =>
    tensor(gpu, randomNormals(shape.reduce((a, b) => a * b), { seed: 4, stream }), shape);
  const x = make([300, 32], 0), weight = make([32, 64], 1), bias = make([64], 2), residual = make([300, 64], 3);
  const wide = make([256, 300], 4), few = make([40, 256], 5), ofWide = make([300], 6), key = { seed: 1, counter: 2 };
  const ways: [string, () => Tensor][] = [
    ["a bias", () => linear(x, weight, { bias })],
    ["GELU and a residual", () => linear(x, weight, { bias, gelu: "erf", residual })],
    ["a sum behind it", () => add(linear(x, weight), residual)],
    ["a large weight and a bias", () => linear(few, wide, { bias: ofWide, gelu: "tanh" })],
  ];
  const limit = gpu.bindingLimit;
  for (const [what, run] of ways) {
    const whole = await run().read();
    gpu.bindingLimit = 64 * 1024; // a C of 76,800 bytes, a weight of 307,200
    const dispatches = gpu.rehearse(() => void run()).filter(({ kernel }) => kernel.startsWith("matmul_"));
    assertEquals(dispatches.length > 1, true);
    expectClose(what, await run().read(), [...whole], 1e-6);
    gpu.bindingLimit = limit;
  }
  gpu.bindingLimit = 64 * 1024; // masks are not made in parts, and are not left out
  assertThrows(() => linear(x, weight, { dropout: { p: 0.4, key } }), WeftError, "Cannot run dropout.wgsl/main as ");
});

gpuTest("stretches cover all rows and begin where a binding may", (gpu) => {
  const limited = Object.create(gpu, { bindingLimit: { value: 100_000 } }) as Gpu;
  for (
    const [rows, width, dtype] of [[100, 10, "f32"], [5000, 7, "f32"], [5000, 7, "f16"], [30_000, 3, "f16"]] as const
  ) {
    const stretches = stretchesOf(limited, dtype, rows, width), bytes = width * (dtype === "f16" ? 2 : 4);
    let next = 0;
    for (const { first, count } of stretches) {
      assertEquals([first, first * bytes % 256, count * bytes <= 100_000], [next, 0, true]);
      next += count;
    }
    assertEquals(next, rows);
    assertEquals(stretches.length, rows * bytes <= 100_000 ? 1 : stretches.length);
  }
  return Promise.resolve();
});

gpuTest("a part is written and read where it lies, and all of them in turn", async (gpu) => {
  using _ = new Scope(gpu);
  const x = fill(gpu, [1024], 1), part = partOf(x, 256, [2, 64]);
  inParts({ x: part }, (parts, size) => assertEquals([parts.x === part, size], [true, 128]));
  assertEquals([...await scale(part, 3).read()], new Array(128).fill(3));
  assertEquals([...await matmul(part, fill(gpu, [64, 1], 2)).read()], [128, 128]);
  const counted = tensor(gpu, new Float32Array(512).map((_, i) => i));
  for (const all of gpu.hasF16 ? [counted, cast(counted, "f16")] : [counted]) {
    const read = await readTensors([partOf(all, 256, [3]), partOf(all, 0, [1])]);
    assertEquals(read.map(({ data }) => [...data]), [[256, 257, 258], [0]]);
  }
});

Deno.test("a tensor that no binding can hold is named with its size and the limit", async () => {
  using gpu = await Gpu.open();
  gpu.bindingLimit = 8192;
  const x = empty(gpu, [3000], { label: "table" });
  const error =
    `Cannot run unary.wgsl/forward as x (3000) needs ${formatBytes(12_000)} in one binding and this adapter ` +
    `allows ${formatBytes(8192)}: make it 1.5 times smaller`;
  assertThrows(() => scale(x, 2), WeftError, error);
});
