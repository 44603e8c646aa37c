import { assert, assertEquals } from "@std/assert";
import { AdamW, CharTokenizer, Gpt, Gpu, loadCheckpoint, restoreOptimizer } from "../../mod.ts";
import { verifyChecksums } from "../../train/checksums.ts";
import { CheckpointWriter } from "../../train/checkpoint_writer.ts";

Deno.test("a checkpoint of 124 million parameters with moments is written in the background and read in pieces", async () => {
  using gpu = await Gpu.open();
  const dir = await Deno.makeTempDir(), last = `${dir}/last`;
  const times: Record<string, number> = {};
  const timed = async (what: string, work: () => Promise<unknown>): Promise<void> => {
    const began = performance.now();
    await work();
    gpu.device.queue.submit([]); // what was written counts when it is there
    await gpu.finish();
    times[what] = Math.round(performance.now() - began) / 1000;
  };
  try {
    const size = { n_layer: 12, n_head: 12, n_embd: 768, block_size: 1024, vocab_size: 50257 };
    const model = new Gpt(gpu, size, { initialize: false }), optimizer = new AdamW(model.parameters());
    for (const [i, { storage, size }] of [...model.parameters().values()].entries()) {
      gpu.write(storage, Float32Array.from({ length: Math.min(size, 5000) }, (_, at) => i + at));
    }
    const parts = { model, optimizer, tokenizer: CharTokenizer.fromText("abc"), state: stateOf(1) };
    const writer = new CheckpointWriter();
    await timed("copied", () => writer.save(last, parts));
    // From here on training would go on: how long does the writing keep the host from anything else?
    let longest = 0, blocked = 0, before = performance.now(), most = 0;
    const timer = setInterval(() => {
      const now = performance.now(), late = now - before - 10;
      longest = Math.max(longest, late);
      if (late > 1) blocked += late;
      before = now;
      most = Math.max(most, Deno.memoryUsage().rss);
    }, 10);
    const resident = Deno.memoryUsage().rss;
    await timed("written", () => writer.finish());
    clearInterval(timer);
    await timed("checksums compared", () => verifyChecksums(last));
    let loaded: Gpt | undefined;
    await timed("model read", async () => loaded = (await loadCheckpoint(gpu, last, { verify: false })).model as Gpt);
    const moments = new AdamW(loaded!.parameters());
    await gpu.finish();
    await timed("moments read", () => restoreOptimizer(last, moments, { verify: false }));
    console.log(times, {
      "longest that the host was kept (ms)": Math.round(longest),
      "in all (ms)": Math.round(blocked),
      "memory while it was written, beyond that of the copy (MB)": Math.round((most - resident) / 1e6),
    });
    assert(longest < 1000, `${longest} ms`);
    assert(most - resident < 2e9, `${most - resident} bytes`);
    for (const name of ["wte.weight", "h.11.mlp.c_fc.weight", "ln_f.bias"]) {
      const [a, b] = [model, loaded!].map((m) => m.parameters().get(name)!);
      assertEquals(await b.read(), await a.read(), name);
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

function stateOf(step: number) {
  return { step, random_counter: 0, config: {} };
}
