import { assertEquals } from "@std/assert";
import { add, backward, checkpointed, Gpt, mul, Scope, sum, type Tensor, tensor } from "../mod.ts";
import { gpuTest } from "./_check_op.ts";

gpuTest("a checkpointed block has the same loss and gradients, bit for bit, with dropout too", async (gpu) => {
  const model = new Gpt(gpu, { n_layer: 3, n_head: 2, n_embd: 16, block_size: 8, vocab_size: 11, dropout: 0.2 });
  const ids = () => tensor(gpu, Int32Array.from({ length: 32 }, (_, i) => i * 7 % 11), [4, 8]);
  const results: { loss: number; gradients: Float32Array[]; activations: number }[] = [];
  for (const checkpointing of [false, true]) {
    model.activationCheckpointing = checkpointing;
    model.random.counter = 5;
    const before = gpu.memory.bytesInUse;
    {
      using _ = new Scope(gpu, { grad: true });
      const loss = model.loss(ids(), ids()), activations = gpu.memory.bytesInUse - before;
      backward(loss);
      const gradients: Float32Array[] = [];
      for (const p of model.parameters().values()) gradients.push(await p.grad!.read());
      results.push({ loss: await loss.item(), gradients, activations });
    }
    for (const p of model.parameters().values()) p.zeroGrad();
    assertEquals(gpu.memory.bytesInUse, before); // nothing leaks
  }
  const [plain, checkpointed] = results;
  assertEquals(checkpointed.loss, plain.loss);
  assertEquals(checkpointed.gradients, plain.gradients);
  assertEquals(plain.gradients.length > 30, true);
  assertEquals(checkpointed.activations < plain.activations / 3, true);
});

gpuTest("gradients flow through a checkpoint to its input, past it, and out of several", async (gpu) => {
  const x = tensor(gpu, [1, -2, 3], [3], { requiresGrad: true }),
    w = tensor(gpu, [2, 2, 5], [3], { requiresGrad: true });
  const block = (x: Tensor) => add(mul(mul(x, w), x), x); // w x² + x
  using _ = new Scope(gpu, { grad: true });
  // s = Σ f(f(x)) + x, with f = w x² + x
  backward(sum(add(checkpointed(checkpointed(x, block), block), x)));
  const dx = await x.grad!.read(), dw = await w.grad!.read();
  [1, -2, 3].forEach((v, i) => {
    const c = [2, 2, 5][i], f = c * v * v + v, slope = 2 * c * v + 1, outer = 2 * c * f + 1;
    assertEquals([dx[i], dw[i]], [outer * slope + 1, outer * v * v + f * f]);
  });
});

gpuTest("without gradients a checkpoint is its block", async (gpu) => {
  using _ = new Scope(gpu);
  const x = tensor(gpu, [3], [1]);
  assertEquals(await checkpointed(x, (x) => mul(x, x)).item(), 9);
});
