import { assertEquals, assertRejects } from "@std/assert";
import * as ort from "onnxruntime-web";
import { exportCommand } from "../cli/export.ts";
import { exportOnnx } from "../model/export_onnx.ts";
import { Gpt, type GptConfig, Gpu } from "../mod.ts";
import { gpuTest } from "./_check_op.ts";
import { logitsOf, smallBpe, smallGpt, withRun } from "./_small_gpt.ts";

ort.env.wasm.numThreads = 1;
ort.env.logLevel = "fatal"; // a failing run is tested, too

/** ONNX Runtime's logits of ids (B, T). */
async function theirLogits(session: ort.InferenceSession, ids: Int32Array, shape: readonly number[]) {
  const { logits } = await session.run({ input_ids: new ort.Tensor("int64", BigInt64Array.from(ids, BigInt), shape) });
  return { shape: logits.dims, data: logits.data as Float32Array };
}

/** Opens what was exported in a folder. */
async function open(folder: string): Promise<ort.InferenceSession> {
  const path = "model.onnx_data", data = await Deno.readFile(`${folder}/${path}`).catch(() => undefined);
  const options = data === undefined ? {} : { externalData: [{ path, data }] }, { Worker } = globalThis;
  try {
    return await ort.InferenceSession.create(await Deno.readFile(`${folder}/model.onnx`), options);
  } finally {
    globalThis.Worker = Worker; // it puts Node's in its place, and the next checkpoint is written in one
  }
}

/** Exports a model and compares logits at several sizes, which must agree within the tolerance. */
async function compare(
  model: Gpt,
  flags: readonly string[],
  tolerance: number,
  check?: (folder: string) => Promise<void>,
) {
  await withRun(model, smallBpe(), async (folder) => {
    await exportCommand([`--out_dir=${folder}/out`, "--to=onnx", `--output=${folder}/onnx`, ...flags], () => {});
    const session = await open(`${folder}/onnx`);
    for (const shape of [[1, 1], [1, 8], [3, 5], [2, 2]]) {
      const ids = Int32Array.from({ length: shape[0] * shape[1] }, (_, i) => (i * 97 + 13) % model.vocabSize);
      const ours = await logitsOf(model, ids, shape), theirs = await theirLogits(session, ids, shape);
      assertEquals(theirs.shape, [...shape, model.vocabSize]);
      const error = ours.reduce((worst, value, i) => Math.max(worst, Math.abs(value - theirs.data[i])), 0);
      assertEquals(error < tolerance, true, `${shape}: ${error}`);
    }
    await check?.(`${folder}/onnx`);
    const nine = new Int32Array(9);
    await assertRejects(() => theirLogits(session, nine, [1, 9])); // block_size is 8
    await session.release();
  });
}

const kinds: Partial<GptConfig>[] = [
  { dropout: 0.5 },
  { bias: false },
  { activation: "gelu_erf", n_head: 1, n_layer: 1 },
  { activation: "gelu_erf", bias: false, n_head: 4 },
];
for (const over of kinds) {
  gpuTest(`ONNX Runtime computes our logits: ${JSON.stringify(over)}`, async (gpu) => {
    await compare(smallGpt(gpu, over), [], 1e-4, async (folder) => {
      const names = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
      const others = ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"];
      assertEquals(names.sort(), [...others.slice(0, 2), "model.onnx", ...others.slice(2)]);
    });
  });
}

gpuTest("weights lie in a file of their own where that is asked for, and the embedding once", async (gpu) => {
  const model = smallGpt(gpu), bytes = model.parameters().values().reduce((sum, { size }) => sum + 4 * size, 0);
  await compare(model, ["--external_data"], 1e-4, async (folder) => {
    const [graph, data] = await Promise.all(["", "_data"].map((end) => Deno.stat(`${folder}/model.onnx${end}`)));
    assertEquals(graph.size < 12_000, true, String(graph.size));
    const tensors = model.parameters().size;
    assertEquals(data.size >= bytes && data.size < bytes + tensors * 4096, true, String(data.size));
  });
  await compare(model, [], 1e-4, async (folder) => {
    const { size } = await Deno.stat(`${folder}/model.onnx`);
    assertEquals(size >= bytes && size < bytes + 12_000, true, String(size)); // the embedding alone has 16,960
  });
});

gpuTest("GPT-2 XL has more than a message of protobuf may hold, GPT-2 has not", async (gpu) => {
  using dry = Gpu.dry(gpu); // sizes alone count, and so it has no memory
  const size = { block_size: 1024, vocab_size: 50257 };
  for (const [n_layer, n_head, n_embd, isLarge] of [[48, 25, 1600, true], [12, 12, 768, false]] as const) {
    const model = new Gpt(dry, { n_layer, n_head, n_embd, ...size }, { initialize: false });
    const files = exportOnnx(model, smallBpe());
    assertEquals("model.onnx_data" in files, isLarge);
    if (!isLarge) continue;
    const graph = await Array.fromAsync(files["model.onnx"]());
    assertEquals(graph.reduce((sum, { length }) => sum + length, 0) < 300_000, true);
  }
});

for (const dtype of ["f16", "bf16"]) {
  gpuTest(`weights of ${dtype} are computed with in f32`, async (gpu) => {
    const model = smallGpt(gpu); // logits of the weights as they are after rounding
    for (const parameter of model.parameters().values()) {
      if (parameter.shape.length === 1) continue; // biases and norms stay as they are
      const values = await parameter.read();
      gpu.write(parameter.storage, values.map(dtype === "f16" ? Math.f16round : truncated));
    }
    await compare(model, [`--dtype=${dtype}`], 1e-4);
  });
}

/** A number that bfloat16 has, near the given one. */
function truncated(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer);
  bits[0] &= 0xffff0000;
  return new Float32Array(bits.buffer)[0];
}
