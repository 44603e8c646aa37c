import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { AdamW, backward, Gpt, type GptConfig, Gpu, planStep, Scope, tensor, WeftError } from "../mod.ts";
import { runTask } from "./_program.ts";

const config: GptConfig = { n_layer: 3, n_head: 2, n_embd: 32, block_size: 24, vocab_size: 50, dropout: 0.1 };

for (
  const [name, options] of [
    ["one batch", { batchSize: 5 }],
    ["two micro-batches", { batchSize: 5, gradAccumSteps: 2 }],
    ["activation checkpointing", { batchSize: 9, activationCheckpointing: true }],
    ["float16", { batchSize: 9, dtype: "f16" }],
  ] as const
) {
  Deno.test(`the planned memory is the measured one: ${name}`, async () => {
    using gpu = await Gpu.open();
    const before = gpu.memory.bytesReserved, plan = planStep(gpu, config, options);
    assertEquals(gpu.memory.bytesReserved, before); // nothing was allocated
    const half = "dtype" in options;
    const model = new Gpt(gpu, config), optimizer = new AdamW(model.parameters(), half ? { lossScale: 16 } : {});
    model.activationCheckpointing = "activationCheckpointing" in options;
    model.dtype = half ? "f16" : "f32";
    if (half) {
      const { activations } = planStep(gpu, config, { batchSize: 9 }).memory;
      assertEquals(plan.memory.activations < 0.7 * activations, true); // matrices are there twice, and they are small here
    }
    const size = options.batchSize * 24, ids = () => tensor(gpu, new Int32Array(size), [options.batchSize, 24]);
    const micro = "gradAccumSteps" in options ? options.gradAccumSteps : 1;
    for (let step = 0; step < 3; step++) {
      for (let i = 0; i < micro; i++) {
        using _ = new Scope(gpu, { grad: true });
        backward(model.loss(ids(), ids()), { scale: optimizer.gradientOfLoss(1 / micro) });
      }
      optimizer.step({ lr: 1e-3, clip: 1 });
    }
    await gpu.finish();
    const { peakBytes, bytesReserved } = gpu.memory;
    for (const [planned, measured] of [[plan.memory.peak, peakBytes], [plan.memory.reserved, bytesReserved - before]]) {
      if (!(Math.abs(planned / measured - 1) < 0.02)) throw new Error(`planned ${planned}, measured ${measured}`);
    }
    let parameters = 0;
    for (const { size } of model.parameters().values()) parameters += size;
    assertEquals(plan.parameters, parameters);
  });
}

Deno.test("a plan counts operations, and refuses what does not fit one buffer", async () => {
  using gpu = await Gpu.open();
  const plan = planStep(gpu, config, { batchSize: 5 });
  const N = plan.parameters - 24 * 32;
  assertEquals(plan.flops, 5 * 24 * (6 * N + 6 * 3 * 32 * 24));
  // What the dispatches do is about that: biases, norms and the embedding are no products.
  const dispatched = plan.dispatches.micro.reduce((sum, { flops }) => sum + flops, 0);
  assertEquals(Math.abs(dispatched / plan.flops - 1) < 0.1, true, `${dispatched} and ${plan.flops}`);
  const limit = gpu.device.limits.maxBufferSize;
  const huge = { ...config, vocab_size: Math.ceil(limit / 128) + 8 };
  assertThrows(() => planStep(gpu, huge, { batchSize: 1 }), WeftError, "Cannot allocate wte.weight");
});

Deno.test("deno task plan prints memory by kind and the time of a step, and takes the keys of train", async () => {
  const small = ["--n_layer=2", "--n_embd=32", "--block_size=16", "--batch_size=3"];
  const { code, stdout, stderr } = await runTask("plan", small);
  assertEquals([code, stderr], [0, ""]);
  for (
    const word of ["parameters", "weights", "gradients", "optimizer", "activations", "workspace", "peak", "a step"]
  ) {
    assertStringIncludes(stdout, word);
  }
  const { memory, expected, stepBound } = JSON.parse((await runTask("plan", [...small, "--json"])).stdout);
  assertEquals(memory.peak > memory.weights + memory.optimizer && expected >= stepBound && stepBound > 0, true);
  assertStringIncludes((await runTask("plan", ["--batchsize=3"])).stderr, "did you mean batch_size?");
});
