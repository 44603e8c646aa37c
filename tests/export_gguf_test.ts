import { assertEquals, assertRejects } from "@std/assert";
import { gguf } from "@huggingface/gguf";
import { exportCommand } from "../cli/export.ts";
import { ggufTokenizer } from "../model/gguf_tokenizer.ts";
import {
  BpeTokenizer,
  CharTokenizer,
  type Gpt,
  type HostTensor,
  readTensors,
  type Tokenizer,
  WeftError,
} from "../mod.ts";
import { gpuTest } from "./_check_op.ts";
import { smallBpe, smallGpt, withRun } from "./_small_gpt.ts";

/** Exports a model and reads the file with Hugging Face's library: metadata, and tensors with their data. */
async function exported(model: Gpt, tokenizer: Tokenizer, ...flags: string[]) {
  let read!: {
    metadata: Record<string, unknown>;
    tensors: Map<string, { shape: number[]; dtype: number; data: number[] }>;
  };
  await withRun(model, tokenizer, async (folder) => {
    const path = `${folder}/new/model.gguf`;
    await exportCommand([`--out_dir=${folder}/out`, "--to=gguf", `--output=${path}`, ...flags], () => {});
    const { metadata, tensorInfos, tensorDataOffset } = await gguf(path, { allowLocalFile: true });
    const bytes = await Deno.readFile(path), tensors = new Map();
    for (const { name, shape, dtype, offset } of tensorInfos) {
      assertEquals(Number(tensorDataOffset + offset) % 32, 0);
      const count = shape.reduce((product, size) => product * Number(size), 1),
        from = Number(tensorDataOffset + offset);
      const slice = bytes.buffer.slice(from, from + count * (dtype === 0 ? 4 : 2));
      const data = dtype === 0
        ? new Float32Array(slice)
        : dtype === 1
        ? new Float16Array(slice)
        : new Uint16Array(slice);
      tensors.set(name, { shape: shape.map(Number), dtype, data: [...data] });
    }
    assertEquals(bytes.length % 32, 0);
    read = { metadata: metadata as Record<string, unknown>, tensors };
    assertEquals(await Array.fromAsync(Deno.readDir(`${folder}/new`), ({ name }) => name), ["model.gguf"]);
  });
  return read;
}

/** Our name of a tensor of llama.cpp. */
function ourName(name: string): string {
  const parts = {
    token_embd: "wte",
    position_embd: "wpe",
    output_norm: "ln_f",
    attn_norm: "ln_1",
    attn_qkv: "attn.c_attn",
  };
  const more = { attn_output: "attn.c_proj", ffn_norm: "ln_2", ffn_up: "mlp.c_fc", ffn_down: "mlp.c_proj" };
  return name.replace(/^blk\./, "h.").replace(
    /[a-z]+_[a-z]+/,
    (part) => ({ ...parts, ...more } as Record<string, string>)[part],
  );
}

/** A tensor as ggml has it: its innermost dimension first, and linear layers (out, in). */
function expected(name: string, { shape, data }: HostTensor): { shape: number[]; data: number[] } {
  if (!/\.c_\w+\.weight/.test(name)) return { shape: shape.toReversed(), data: [...data] };
  const [rows, columns] = shape;
  return { shape: [rows, columns], data: Array.from(data, (_, i) => data[i % rows * columns + Math.floor(i / rows)]) };
}

async function parametersOf(model: Gpt): Promise<Map<string, HostTensor>> {
  const values = await readTensors([...model.parameters().values()]);
  return new Map([...model.parameters().keys()].map((name, i) => [name, values[i]]));
}

gpuTest("Hugging Face's reader finds llama.cpp's metadata and every parameter in its place", async (gpu) => {
  const model = smallGpt(gpu, { vocab_size: 270, n_embd: 6 }), tokenizer = smallBpe();
  const { metadata, tensors } = await exported(model, tokenizer);
  const { tokens, token_type, merges } = Object.fromEntries(
    ["tokens", "token_type", "merges"].map((key) => [key, metadata[`tokenizer.ggml.${key}`]]),
  ) as { tokens: string[]; token_type: number[]; merges: string[] };
  const others = Object.entries(metadata).filter(([, value]) => !Array.isArray(value));
  assertEquals(Object.fromEntries(others), {
    version: 3,
    tensor_count: 28n,
    kv_count: 19n,
    "general.architecture": "gpt2",
    "general.type": "model",
    "general.alignment": 32,
    "general.file_type": 0,
    "gpt2.context_length": 8,
    "gpt2.embedding_length": 6,
    "gpt2.block_count": 2,
    "gpt2.feed_forward_length": 24,
    "gpt2.attention.head_count": 2,
    "gpt2.attention.layer_norm_epsilon": Math.fround(1e-5),
    "gpt2.vocab_size": 270,
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "gpt-2",
    "tokenizer.ggml.bos_token_id": 264,
    "tokenizer.ggml.eos_token_id": 264,
    "tokenizer.ggml.add_bos_token": false,
  });
  assertEquals(tokens.length, 270);
  for (const [token, id] of Object.entries(tokenizer.toJSON().model.vocab)) assertEquals(tokens[id], token);
  assertEquals([tokens[258], tokens[265], tokens[269]], ["Ġthe", "[PAD265]", "[PAD269]"]);
  assertEquals(token_type, [...new Array(264).fill(1), 3, 5, 5, 5, 5, 5]);
  assertEquals(merges, ["t h", "th e", "Ġ the", "i n", "in g", "Ã ©", "n a", "Ġ na"]);

  const parameters = await parametersOf(model);
  assertEquals([...tensors.keys()].map(ourName).sort(), [...parameters.keys()].sort());
  for (const [name, { shape, data, dtype }] of tensors) {
    assertEquals({ shape, data }, expected(ourName(name), parameters.get(ourName(name))!), name);
    assertEquals(dtype, 0);
  }
});

gpuTest("f16 and bf16 are for matrices, zeros for biases that a model does without", async (gpu) => {
  const model = smallGpt(gpu, { bias: false }), parameters = await parametersOf(model);
  for (const [flag, type, fileType] of [["f16", 1, 1], ["bf16", 30, 32]] as const) {
    const { metadata, tensors } = await exported(model, smallBpe("cl100k"), `--dtype=${flag}`);
    assertEquals(metadata["general.file_type"], fileType);
    assertEquals(metadata["tokenizer.ggml.pre"], "dbrx"); // llama.cpp's name for GPT-4's way of cutting words
    assertEquals(tensors.size, 28);
    for (const [name, { shape, data, dtype }] of tensors) {
      const isMatrix = shape.length > 1 && name !== "position_embd.weight";
      assertEquals(dtype, isMatrix ? type : 0, name);
      if (name.endsWith(".bias")) assertEquals(data, new Array(shape[0]).fill(0), name);
      else if (!isMatrix) assertEquals(data, [...parameters.get(ourName(name))!.data], name);
      else if (flag === "f16") {
        const values = expected(ourName(name), parameters.get(ourName(name))!);
        assertEquals(data, values.data.map(Math.f16round), name);
      }
    }
  }
});

gpuTest(
  "a tokenizer of characters is one without an end of text; what llama.cpp cannot run is an error",
  async (gpu) => {
    const tokenizer = CharTokenizer.fromText("\n a\\~\x7f");
    const { metadata } = await exported(smallGpt(gpu, { vocab_size: 7 }), tokenizer);
    assertEquals(metadata["tokenizer.ggml.model"], "rwkv");
    assertEquals(metadata["tokenizer.ggml.tokens"], ["\n", " ", "\\\\", "a", "~", "\x7f", "\\xff[PAD6]"]);
    assertEquals(metadata["tokenizer.ggml.token_type"], [1, 1, 1, 1, 1, 1, 5]);
    assertEquals("tokenizer.ggml.eos_token_id" in metadata, false);
    await assertRejects(
      () => exported(smallGpt(gpu), CharTokenizer.fromText("aé")),
      WeftError,
      'llama.cpp has no tokenizer of characters past ASCII, such as "é"',
    );
    await assertRejects(
      () => exported(smallGpt(gpu, { activation: "gelu_erf" }), smallBpe()),
      WeftError,
      "llama.cpp computes GPT-2 with gelu_tanh and the model has gelu_erf",
    );
    await assertRejects(
      () => exported(smallGpt(gpu, { vocab_size: 264 }), smallBpe()),
      WeftError,
      "its tokenizer has 265 tokens and its model 264",
    );
  },
);

Deno.test("without an end of text the byte FF stands for it, which no text has", () => {
  const bytes = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)).reverse();
  const tokenizer = BpeTokenizer.fromRanks(bytes, { pattern: "gpt2" });
  assertEquals(ggufTokenizer(tokenizer, 256)["tokenizer.ggml.eos_token_id"], { u32: 0 });
});
