import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { AdamW, backward, crossEntropy, empty, Gpt, Scope, tensor, WeftError } from "../mod.ts";
import { formatBytes } from "../engine/buffer_pool.ts";
import { gpuTest } from "./_check_op.ts";

gpuTest("buffers in use and created are constant from the third step on, over 100 steps", async (gpu) => {
  const model = new Gpt(gpu, {
    n_layer: 2,
    n_head: 2,
    n_embd: 16,
    block_size: 8,
    vocab_size: 11,
    dropout: 0.1,
  }, { seed: 1 });
  const optimizer = new AdamW(model.parameters());
  const seen: { inUse: number; created: number; bytes: number }[] = [];
  for (let step = 0; step < 100; step++) {
    for (let micro = 0; micro < 2; micro++) {
      using _ = new Scope(gpu, { grad: true });
      const ids = tensor(gpu, new Int32Array(16).map((_, i) => (i * 3 + step) % 11), [2, 8]);
      backward(crossEntropy(model.forward(ids), ids), { scale: 0.5 });
    }
    optimizer.step({ lr: 1e-3, clip: 1 });
    gpu.submit();
    const { buffersInUse, buffersCreated, bytesReserved } = gpu.memory;
    seen.push({ inUse: buffersInUse, created: buffersCreated, bytes: bytesReserved });
  }
  await gpu.finish();
  for (const state of seen.slice(3)) assertEquals(state, seen[2]);
});

gpuTest("the same requests take the same buffers", (gpu) => {
  const take = () => {
    using _ = new Scope(gpu);
    return [10, 300, 300, 5000, 64].map((size) => empty(gpu, [size]).storage.id);
  };
  assertEquals(take(), take());
  return Promise.resolve();
});

gpuTest("a tensor that no buffer can hold is named with its size and the limit", (gpu) => {
  const limit = Math.floor(gpu.device.limits.maxBufferSize / 16) * 16;
  const rows = Math.floor(limit / 4000) + 1;
  const error = `Cannot allocate table (${rows}, 1000): it needs ${formatBytes(rows * 4000)} in one buffer ` +
    `and this adapter allows ${formatBytes(limit)}; make it `;
  assertThrows(() => empty(gpu, [rows, 1000], { label: "table" }), WeftError, error);
  assertThrows(() => empty(gpu, [2 * rows, 1000]), WeftError, "make it 2.0 times smaller");
  return Promise.resolve();
});

Deno.test("bytes are printed in the unit that keeps them short", () => {
  const printed = [0, 12, 999, 1000, 147_200_000, 1.5e9].map(formatBytes);
  assertEquals(printed, ["0 B", "12 B", "999 B", "1.0 KB", "147.2 MB", "1.5 GB"]);
});

gpuTest("a write waits for commands that use the buffer", async (gpu) => {
  using _ = new Scope(gpu);
  const x = tensor(gpu, [1, 2]), y = empty(gpu, [2]);
  const { copyInto } = await import("../mod.ts");
  copyInto(y, x); // recorded, not submitted
  gpu.write(x.storage, new Float32Array([8, 9]));
  assertEquals([...await y.read()], [1, 2]);
  assertEquals([...await x.read()], [8, 9]);
});

gpuTest("scopes that end out of order are an error", async (gpu) => {
  const outer = new Scope(gpu), inner = new Scope(gpu);
  assertThrows(() => outer[Symbol.dispose](), WeftError, "reverse order");
  inner[Symbol.dispose]();
  outer[Symbol.dispose]();
  await assertRejects(
    () => tensor(gpu, new Int32Array(1)).read(),
    WeftError,
    "which is i32, as f32: use readTensors",
  );
});
