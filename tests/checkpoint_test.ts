import { assertEquals, assertRejects } from "@std/assert";
import {
  AdamW,
  Bigram,
  CharTokenizer,
  encodeSafetensors,
  Gpt,
  type Gpu,
  loadCheckpoint,
  loadTrainerState,
} from "../mod.ts";
import {
  type LanguageModel,
  readSafetensorsFile,
  readTensors,
  restoreOptimizer,
  saveCheckpoint,
  version,
  WeftError,
} from "../mod.ts";
import { gpuTest } from "./_check_op.ts";

const tokenizer = CharTokenizer.fromText("abc");
const state = { step: 5, random_counter: 7, config: { n_layer: 1 } };

async function withCheckpoint(model: LanguageModel, body: (dir: string) => Promise<void>): Promise<void> {
  const root = await Deno.makeTempDir();
  try {
    await saveCheckpoint(`${root}/last`, {
      model,
      tokenizer,
      optimizer: new AdamW(model.parameters()),
      state,
    });
    await body(`${root}/last`);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

const gpt = (gpu: Gpu, over = {}) =>
  new Gpt(gpu, { n_layer: 1, n_head: 2, n_embd: 8, block_size: 4, vocab_size: 3, ...over }, { seed: 1 });
const values = async (model: LanguageModel) =>
  new Map((await readTensors([...model.parameters().values()])).map(({ data }, i) => [i, data]));

for (const over of [{}, { bias: false, activation: "gelu_erf", dropout: 0.25 }]) {
  gpuTest(`a GPT ${JSON.stringify(over)} is read as it was written`, async (gpu) => {
    const model = gpt(gpu, over);
    await withCheckpoint(model, async (dir) => {
      assertEquals([...Deno.readDirSync(dir)].map(({ name }) => name).sort(), [
        "checksums.txt",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "optimizer.safetensors",
        "tokenizer.json",
        "trainer_state.json",
      ]);
      const loaded = await loadCheckpoint(gpu, dir);
      assertEquals((loaded.model as Gpt).config, {
        bias: true,
        activation: "gelu_tanh",
        dropout: 0,
        ...model.config,
      });
      assertEquals(await values(loaded.model), await values(model));
      const { model_type, n_positions, architectures } = JSON.parse(
        await Deno.readTextFile(`${dir}/config.json`),
      );
      assertEquals([model_type, n_positions, architectures], ["gpt2", 4, ["GPT2LMHeadModel"]]);
    });
  });
}

gpuTest("a bigram is read as it was written", async (gpu) => {
  const model = new Bigram(gpu, { vocab_size: 3, block_size: 4 }, { seed: 5 });
  await withCheckpoint(model, async (dir) => {
    assertEquals(await values((await loadCheckpoint(gpu, dir)).model), await values(model));
  });
});

gpuTest("every parameter that does not fit is listed, and damage is named", async (gpu) => {
  await withCheckpoint(gpt(gpu), async (dir) => {
    await Deno.remove(`${dir}/checksums.txt`); // else every change is damage
    const { tensors } = await readSafetensorsFile(`${dir}/model.safetensors`);
    const wte = tensors.get("wte.weight")!;
    tensors.delete("ln_f.bias");
    tensors.set("wte.weight", { ...wte, shape: [8, 3] });
    tensors.set("extra", wte);
    await Deno.writeFile(`${dir}/model.safetensors`, encodeSafetensors(tensors));
    await assertRejects(
      () => loadCheckpoint(gpu, dir),
      WeftError,
      "model.safetensors does not fit the model: wte.weight is F32 (8, 3) where the model has (3, 8); " +
        "ln_f.bias is missing; extra is not a parameter of the model",
    );
    await Deno.writeFile(`${dir}/model.safetensors`, encodeSafetensors(tensors).slice(0, 400));
    await assertRejects(() => loadCheckpoint(gpu, dir), WeftError, "is not a whole safetensors file");
    await Deno.writeTextFile(`${dir}/config.json`, '{"model_type": "llama"}');
    await assertRejects(() => loadCheckpoint(gpu, dir), WeftError, 'model_type is "llama"');
    await Deno.writeTextFile(`${dir}/config.json`, "{");
    await assertRejects(
      () => loadCheckpoint(gpu, dir),
      WeftError,
      "config.json is damaged: it is not a JSON object",
    );
    await Deno.writeTextFile(`${dir}/trainer_state.json`, '{"step": -1}');
    await assertRejects(() => loadTrainerState(dir), WeftError, "trainer_state.json is damaged");
  });
  await assertRejects(() => loadCheckpoint(gpu, "/no/such"), WeftError, "/no/such holds no checkpoint");
});

gpuTest("an optimizer of another model is refused", async (gpu) => {
  await withCheckpoint(gpt(gpu), async (dir) => {
    assertEquals((await loadTrainerState(dir)).engine_version, version);
    const other = new AdamW(gpt(gpu, { n_embd: 16 }).parameters());
    await assertRejects(
      () => restoreOptimizer(dir, other),
      WeftError,
      "optimizer.safetensors is not of this model",
    );
  });
});

gpuTest("a kill between the renames leaves the previous checkpoint to be read", async (gpu) => {
  const model = gpt(gpu);
  await withCheckpoint(model, async (dir) => {
    await Deno.rename(dir, `${dir}.old`);
    await Deno.mkdir(`${dir}.new`);
    assertEquals(await values((await loadCheckpoint(gpu, dir)).model), await values(model));
    assertEquals((await loadTrainerState(dir)).step, 5);
  });
});
