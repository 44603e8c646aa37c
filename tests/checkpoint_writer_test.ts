import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { AdamW, CharTokenizer, Gpt, type Gpu, readSafetensorsFile, WeftError } from "../mod.ts";
import { CheckpointWriter } from "../train/checkpoint_writer.ts";
import { GpuSnapshot } from "../train/gpu_snapshot.ts";
import { tensor } from "../mod.ts";
import { gpuTest } from "./_check_op.ts";
import { inFolder } from "./_program.ts";

function partsOf(gpu: Gpu) {
  // 300 KB of parameters: more than the smallest piece of a copy
  const size = { n_layer: 1, n_head: 2, n_embd: 64, block_size: 4, vocab_size: 300 };
  const model = new Gpt(gpu, size, { seed: 4 }), optimizer = new AdamW(model.parameters());
  const state = { step: 3, random_counter: 0, config: {} };
  return { model, optimizer, tokenizer: CharTokenizer.fromText("abc"), state };
}

const names = (dir: string) => [...Deno.readDirSync(dir)].map(({ name }) => name);

for (const [what, maxShardSize] of [["room for all", 2e9], ["room for less", 100_000]] as const) {
  gpuTest(`what changes after a save has begun is not in the checkpoint, with ${what}`, async (gpu) => {
    await inFolder(async (dir) => {
      const parts = partsOf(gpu), writer = new CheckpointWriter(), wte = parts.model.parameters().get("wte.weight")!;
      const before = await wte.read();
      await writer.save(`${dir}/last`, parts, { maxShardSize });
      for (const { storage, size } of [...parts.model.parameters().values(), ...parts.optimizer.state().values()]) {
        gpu.write(storage, new Float32Array(size).fill(7));
      }
      gpu.submit();
      assertEquals(names(dir).includes("last"), false); // it is not written yet
      await writer.finish();
      const name = names(`${dir}/last`).find((name) => /^model(-00001-of-.*)?.safetensors$/.test(name));
      const { tensors } = await readSafetensorsFile(`${dir}/last/${name}`);
      assertEquals(tensors.get("wte.weight")!.data, before);
      const moments = names(`${dir}/last`).filter((name) => /^opt.*tensors$/.test(name));
      for (const name of moments) {
        for (const [key, { data }] of (await readSafetensorsFile(`${dir}/last/${name}`)).tensors) {
          if (key !== "loss_scale") assertEquals(data.every((value) => value === 0), true, key);
        }
      }
    });
  });
}

gpuTest("saves follow one another, and copies are the same", async (gpu) => {
  await inFolder(async (dir) => {
    const parts = partsOf(gpu), writer = new CheckpointWriter();
    for (let step = 1; step <= 3; step++) {
      const state = { ...parts.state, step };
      await writer.save(`${dir}/last`, { ...parts, state }, {
        copies: step === 2 ? [`${dir}/best`] : [],
        keepPrevious: true,
      });
      writer.check();
    }
    await writer.finish();
    const step = async (name: string) => JSON.parse(await Deno.readTextFile(`${dir}/${name}/trainer_state.json`)).step;
    assertEquals(await Promise.all(["last", "last.old", "best"].map(step)), [3, 2, 2]);
    for (const name of names(`${dir}/best`)) {
      assertEquals(await Deno.readFile(`${dir}/best/${name}`), await Deno.readFile(`${dir}/last.old/${name}`), name);
    }
    assertEquals(names(dir).sort(), ["best", "last", "last.old"]);
    await writer.save(`${dir}/last`, parts);
    await writer.finish();
    assertEquals(names(dir).sort(), ["best", "last"]); // the one before is kept for who asks for it
  });
});

gpuTest("what keeps a checkpoint from being written reaches whoever saves, checks or finishes", async (gpu) => {
  await inFolder(async (dir) => {
    const parts = partsOf(gpu), writer = new CheckpointWriter();
    await Deno.writeTextFile(`${dir}/file`, "in the way");
    await writer.save(`${dir}/file/last`, parts).catch(() => {}); // it may be known at once, or later
    await assertRejects(() => writer.finish(), WeftError, "file/last cannot be written");
    assertThrows(() => writer.check(), WeftError, "file/last cannot be written");
    await assertRejects(() => writer.save(`${dir}/last`, parts), WeftError, "file/last cannot be written");
    assertEquals(names(dir), ["file"]);
    const { buffersInUse } = gpu.memory;
    // a failure while room is short must not leave the saver waiting for room
    const again = new CheckpointWriter();
    await assertRejects(() => again.save(`${dir}/file/last`, parts, { maxShardSize: 100_000 }), WeftError);
    assertEquals(gpu.memory.buffersInUse, buffersInUse);
  });
});

gpuTest("a snapshot gives the bytes in order, whatever is asked for at a time", async (gpu) => {
  const arrays = [3, 1, 40_000, 9, 100_000].map((length, k) => Float32Array.from({ length }, (_, i) => i + k / 8));
  const tensors = arrays.map((values) => tensor(gpu, values));
  const whole = new Uint8Array(await new Blob(arrays).arrayBuffer());
  for (const [memory, limit] of [[1e9, 1e9], [1e9, 1000], [70_000, 4096], [1, 50_000]]) {
    const snapshot = new GpuSnapshot(gpu, tensors, memory), read: Uint8Array<ArrayBuffer>[] = [];
    for (let left = whole.length; left > 0; left -= read.at(-1)!.length) {
      read.push((await snapshot.read(Math.min(limit, left))).slice());
      assertEquals(read.at(-1)!.length > 0 && read.at(-1)!.length <= limit, true);
    }
    await snapshot.copied;
    snapshot.close();
    assertEquals(new Uint8Array(await new Blob(read).arrayBuffer()), whole, `${memory} ${limit}`);
  }
});
