import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  AdamW,
  encodeSafetensors,
  Gpt,
  type Gpu,
  type HostTensor,
  loadCheckpoint,
  readSafetensorsFile,
  saveCheckpoint,
  Scope,
  tensor,
  WeftError,
} from "../mod.ts";
import { WeightFiles } from "../model/weight_files.ts";
import { fillTensors } from "../model/load_weights.ts";
import { byteCharacters } from "../model/byte_alphabet.ts";
import { expectClose, gpuTest } from "./_check_op.ts";
import { root } from "./_program.ts";

const fixture = `${root}/tests/fixtures/gpt_bias_tanh`;
const { tensors: weights } = await readSafetensorsFile(`${fixture}/weights.safetensors`);
const { tensors: batch } = await readSafetensorsFile(`${fixture}/batch.safetensors`);
const { tensors: expected } = await readSafetensorsFile(`${fixture}/expected.safetensors`);
const { config } = JSON.parse(await Deno.readTextFile(`${fixture}/expected.json`));
/** A config.json as Hugging Face's are, with much that says nothing new. */
const json = {
  ...{ activation_function: "gelu_new", architectures: ["GPT2LMHeadModel"], attn_pdrop: 0.1, bos_token_id: 1 },
  ...{ embd_pdrop: 0.1, eos_token_id: 1, initializer_range: 0.02, layer_norm_epsilon: 1e-5, model_type: "gpt2" },
  ...{ n_ctx: config.block, n_positions: config.block, n_embd: config.n_embd, n_head: config.n_head },
  ...{ n_layer: config.n_layer, resid_pdrop: 0.1, vocab_size: config.vocab, task_specific_params: {} },
};
const tokenizer = { type: "character", characters: "abc" };

interface Written {
  readonly tensors?: ReadonlyMap<string, HostTensor>;
  readonly dtype?: string;
  readonly config?: Record<string, unknown>;
  readonly shards?: number;
}

/** Writes a model's folder and runs `body` with it. */
async function withModel({ tensors = weights, dtype = "F32", ...more }: Written, body: (dir: string) => Promise<void>) {
  const dir = await Deno.makeTempDir(), { shards = 1 } = more;
  try {
    await Deno.writeTextFile(`${dir}/config.json`, JSON.stringify({ ...json, ...more.config }));
    await Deno.writeTextFile(`${dir}/tokenizer.json`, JSON.stringify(tokenizer));
    const weight_map: Record<string, string> = {};
    for (let i = 0; i < shards; i++) {
      const name = shards === 1 ? "model.safetensors" : `model-0000${i + 1}-of-0000${shards}.safetensors`;
      const part = [...tensors].filter((_, at) => at % shards === i);
      for (const [key] of part) weight_map[key] = name;
      await Deno.writeFile(`${dir}/${name}`, encode(new Map(part), dtype));
    }
    if (shards > 1) await Deno.writeTextFile(`${dir}/model.safetensors.index.json`, JSON.stringify({ weight_map }));
    await body(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** A safetensors file whose numbers are of that type. */
function encode(tensors: ReadonlyMap<string, HostTensor>, dtype: string): Uint8Array<ArrayBuffer> {
  if (dtype === "F32") return encodeSafetensors(tensors);
  const header: Record<string, unknown> = {}, parts: Uint8Array<ArrayBuffer>[] = [];
  let at = 0;
  for (const [key, { shape, data }] of tensors) {
    const half = dtype === "F16"
      ? new Uint16Array(new Float16Array(data).buffer)
      : Uint16Array.from(new Uint32Array(new Float32Array(data).buffer), (bits) => bits >>> 16);
    header[key] = { dtype, shape, data_offsets: [at, at += half.byteLength] };
    parts.push(new Uint8Array(half.buffer));
  }
  const text = new TextEncoder().encode(JSON.stringify(header)), bytes = new Uint8Array(8 + text.length + at);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  let end = 8 + text.length;
  for (const part of parts) bytes.set(part, end), end += part.length;
  return bytes;
}

/** The logits of the fixture's first batch. */
async function logitsOf(gpu: Gpu, model: Gpt): Promise<Float32Array> {
  using _ = new Scope(gpu);
  const [, B, T] = batch.get("x")!.shape;
  return await model.forward(tensor(gpu, batch.get("x")!.data.slice(0, B * T), [B, T])).read();
}

/** As Hugging Face's files have been: names with a prefix, causal masks, and the head once more. */
const asStored = new Map<string, HostTensor>([
  ...[...weights].map(([name, value]) => [`transformer.${name}`, value] as const),
  ["transformer.h.0.attn.bias", { dtype: "u32", shape: [1, 1, 2, 2], data: new Uint32Array(4) }],
  ["transformer.h.0.attn.masked_bias", { dtype: "f32", shape: [], data: new Float32Array(1) }],
  ["lm_head.weight", weights.get("wte.weight")!],
]);

const forms: [string, Written][] = [
  ["with plain names", {}],
  ["with the prefix, masks and a head", { tensors: asStored }],
  ["in three files", { tensors: asStored, shards: 3 }],
  ["with the embedding under the head's name", {
    tensors: new Map([...asStored].filter(([name]) => name !== "transformer.wte.weight")),
  }],
];
for (const [what, written] of forms) {
  gpuTest(`a GPT-2 ${what} has the logits of PyTorch`, async (gpu) => {
    await withModel(written, async (dir) => {
      const model = (await loadCheckpoint(gpu, dir)).model as Gpt;
      model.training = false;
      assertEquals(model.config.dropout, 0.1);
      expectClose("logits", await logitsOf(gpu, model), expected.get("logits")!.data, 1e-5);
    });
  });
}

for (const [dtype, tolerance] of [["F16", 1e-3], ["BF16", 1e-2]] as const) {
  gpuTest(
    `a GPT-2 in ${dtype} has nearly the logits of PyTorch, and exactly the weights that are stored`,
    async (gpu) => {
      await withModel({ dtype }, async (dir) => {
        const model = (await loadCheckpoint(gpu, dir, { dropout: 0 })).model as Gpt;
        expectClose("logits", await logitsOf(gpu, model), expected.get("logits")!.data, tolerance);
        const [name, value] = [...model.parameters()][3];
        const stored = (await readSafetensorsFile(`${dir}/model.safetensors`)).tensors.get(name)!;
        assertEquals(await value.read(), stored.data as Float32Array<ArrayBuffer>);
      });
    },
  );
}

gpuTest("what is loaded is saved as the same bytes, in one file and in several", async (gpu) => {
  await withModel({ tensors: asStored }, async (dir) => {
    const out = await Deno.makeTempDir();
    let model = (await loadCheckpoint(gpu, dir)).model;
    const parts = (): Parameters<typeof saveCheckpoint>[1] => ({
      model,
      tokenizer: { vocabSize: 3, encode: () => new Int32Array(), decode: () => "", toJSON: () => tokenizer },
      optimizer: new AdamW(model.parameters()),
      state: { step: 0, random_counter: 0, config: {} },
    });
    const files = async (name: string) => {
      const read: Record<string, Uint8Array> = {};
      for await (const entry of Deno.readDir(`${out}/${name}`)) {
        read[entry.name] = await Deno.readFile(`${out}/${name}/${entry.name}`);
      }
      return read;
    };
    const one = 4 * weights.values().reduce((sum, { data }) => sum + data.length, 0);
    for (
      const [name, from, maxShardSize] of [["a", dir, 2e9], ["b", "a", one / 3], ["c", "b", 1], [
        "d",
        "c",
        one,
      ]] as const
    ) {
      model = (await loadCheckpoint(gpu, from === dir ? dir : `${out}/${from}`)).model;
      await saveCheckpoint(`${out}/${name}`, parts(), { maxShardSize });
    }
    const a = await files("a"), b = await files("b"), c = await files("c"), d = await files("d");
    assertEquals(Object.keys(b).some((name) => /^model-00003-of-0000\d.safetensors$/.test(name)), true);
    const shards = Object.keys(c).filter((name) => /^model-.*safetensors$/.test(name));
    assertEquals(shards.length, weights.size); // every tensor is larger
    assertEquals(d["model.safetensors"], a["model.safetensors"]);
    model = (await loadCheckpoint(gpu, `${out}/b`)).model;
    await saveCheckpoint(`${out}/e`, parts(), { maxShardSize: one / 3 });
    assertEquals(await files("e"), b);
    const { metadata } = JSON.parse(new TextDecoder().decode(b["model.safetensors.index.json"]));
    assertEquals(metadata.total_size, one);
    await Deno.remove(out, { recursive: true });
  });
});

gpuTest("block_size can be cropped: the logits of the first positions stay, and dropout can be set", async (gpu) => {
  await withModel({}, async (dir) => {
    const whole = (await loadCheckpoint(gpu, dir, { dropout: 0 })).model as Gpt;
    const cropped = (await loadCheckpoint(gpu, dir, { block_size: 5, dropout: 0.25 })).model as Gpt;
    assertEquals([cropped.config.block_size, cropped.config.dropout], [5, 0.25]);
    const wpe = await whole.parameters().get("wpe.weight")!.read();
    assertEquals(await cropped.parameters().get("wpe.weight")!.read(), wpe.slice(0, 5 * config.n_embd));
    cropped.training = false;
    using _ = new Scope(gpu);
    const ids = () => tensor(gpu, new Int32Array([1, 2, 0, 2, 1]), [1, 5]);
    assertEquals(await cropped.forward(ids()).read(), await whole.forward(ids()).read());
  });
});

gpuTest("every parameter that does not fit is listed, and so is everything that Weft cannot compute", async (gpu) => {
  const tensors = new Map(asStored), C = config.n_embd;
  tensors.delete("transformer.ln_f.bias");
  tensors.set("transformer.h.0.ln_1.weight", { dtype: "f32", shape: [C + 1], data: new Float32Array(C + 1) });
  tensors.set("transformer.h.0.ln_1.bias", { dtype: "i32", shape: [C], data: new Int32Array(C) });
  tensors.set("score.weight", tensors.get("lm_head.weight")!);
  tensors.set("wte.weight", tensors.get("lm_head.weight")!);
  await withModel({ tensors }, async (dir) => {
    const error = await assertRejects(() => loadCheckpoint(gpu, dir), WeftError);
    assertEquals(
      error.message.replace(`${dir}/`, ""),
      "model.safetensors does not fit the model: wte.weight is there twice, as transformer.wte.weight and wte.weight; " +
        `transformer.h.0.ln_1.weight is F32 (${
          C + 1
        }) where the model has (${C}); transformer.h.0.ln_1.bias is I32 (${C}) ` +
        `where the model has (${C}); ln_f.bias is missing; score.weight is not a parameter of the model`,
    );
  });
  const head = weights.get("wte.weight")!, other = { ...head, data: head.data.slice() };
  other.data[7] += 1;
  await withModel({ tensors: new Map([...weights, ["lm_head.weight", other]]) }, async (dir) => {
    await assertRejects(() => loadCheckpoint(gpu, dir), WeftError, "lm_head.weight is not the token embedding");
  });
  const cases: [Record<string, unknown>, string][] = [
    [{ model_type: "llama" }, 'model_type is "llama": Weft reads gpt2'],
    [
      { activation_function: "relu", n_inner: 7, layer_norm_epsilon: 1e-6, tie_word_embeddings: false, n_layer: 0.5 },
      'n_layer is 0.5: it must be a whole number from 1; activation_function is "relu": it must be one of gelu_new, ' +
      "gelu_pytorch_tanh, gelu; layer_norm_epsilon is 0.000001: it must be 0.00001; tie_word_embeddings is false: it must " +
      `be true; n_inner is 7: it must be 4 n_embd, ${4 * C}`,
    ],
    [{ n_ctx: 1 }, `n_ctx is 1: it must be n_positions, ${config.block}`],
    [{ scale_attn_by_inverse_layer_idx: true }, "scale_attn_by_inverse_layer_idx is true: it must be false"],
    [{ vocab_size: 2 }, "its tokenizer has 3 tokens and its model 2"],
    [{ n_head: 7 }, "not divisible by n_head, 7"],
  ];
  for (const [config, message] of cases) {
    await withModel({ config }, async (dir) => {
      const { message: said } = await assertRejects(() => loadCheckpoint(gpu, dir), WeftError);
      assert(said.includes(message), said);
    });
  }
  await withModel({}, async (dir) => {
    await assertRejects(() => loadCheckpoint(gpu, dir, { block_size: 4096 }), WeftError, "it can be cropped only");
  });
});

gpuTest("a folder with vocab.json and merges.txt has the tokenizer of those", async (gpu) => {
  const { block_size, n_layer, n_head, n_embd } = { ...config, block_size: 4 };
  const model = new Gpt(gpu, { n_layer, n_head, n_embd, block_size, vocab_size: 258 });
  const values = await Promise.all(
    [...model.parameters()].map(async ([name, value]) =>
      [name, { dtype: "f32", shape: value.shape, data: await value.read() }] as const
    ),
  );
  const written = { config: { vocab_size: 258, n_positions: 4, n_ctx: 4 }, tensors: new Map(values) };
  await withModel(written, async (dir) => {
    await Deno.remove(`${dir}/tokenizer.json`);
    await assertRejects(() => loadCheckpoint(gpu, dir), WeftError, "nor vocab.json and merges.txt");
    const vocab = Object.fromEntries([...byteCharacters, "ab", "<|endoftext|>"].map((token, id) => [token, id]));
    await Deno.writeTextFile(`${dir}/vocab.json`, JSON.stringify(vocab));
    await Deno.writeTextFile(`${dir}/merges.txt`, "#version: 0.2\na b\n");
    const { tokenizer } = await loadCheckpoint(gpu, dir);
    assertEquals([...tokenizer.encode("abb<|endoftext|>")], [256, 98, 257]);
  });
});

gpuTest("a tensor longer than a piece is filled whole, and only as far as it goes", async (gpu) => {
  const data = Float32Array.from({ length: (1 << 21) + 5 }, (_, i) => i % 1000 + i / 8);
  await withModel({ tensors: new Map([["w", { dtype: "f32", shape: [data.length], data }]]) }, async (dir) => {
    using files = await WeightFiles.open(dir);
    const whole = tensor(gpu, new Float32Array(data.length)), part = tensor(gpu, new Float32Array(data.length - 3));
    await fillTensors([[whole, "w"], [part, "w"]], files);
    assertEquals(await whole.read(), data);
    assertEquals(await part.read(), data.slice(0, -3));
  });
});
