import { WeftError } from "../engine/weft_error.ts";
import type { ExportFiles } from "./export_files.ts";
import { exportParameters, isLinearWeight, type StoredType } from "./export_tensor.ts";
import { encodeGguf } from "./gguf.ts";
import { ggufTokenizer } from "./gguf_tokenizer.ts";
import type { Gpt } from "./gpt.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** Numbers of llama.cpp for how most tensors are stored. */
const fileTypes: Record<StoredType, number> = { f32: 0, f16: 1, bf16: 32 };
/** llama.cpp's names of what belongs to no block, and of the parts of a block. */
const names: Record<string, string> = {
  wte: "token_embd",
  wpe: "position_embd",
  ln_f: "output_norm",
  ln_1: "attn_norm",
  "attn.c_attn": "attn_qkv",
  "attn.c_proj": "attn_output",
  ln_2: "ffn_norm",
  "mlp.c_fc": "ffn_up",
  "mlp.c_proj": "ffn_down",
};

/**
 * A file `NAME` with the model as llama.cpp reads its architecture gpt2. Weights of linear layers are (out, in); biases,
 * norms and positions are f32 whatever the dtype; a model without biases gets zeros for them.
 *
 * @throws {WeftError} when the model computes GELU by erf, which llama.cpp does not for this architecture, or its
 * tokenizer is of a kind that llama.cpp has not.
 *
 * @example
 * ```ts
 * import { Gpu } from "../engine/gpu.ts";
 * import { CharTokenizer } from "./char_tokenizer.ts";
 * import { exportGguf } from "./export_gguf.ts";
 * import { Gpt } from "./gpt.ts";
 *
 * using gpu = await Gpu.open();
 * const tokenizer = CharTokenizer.fromText("abcdefgh");
 * const model = new Gpt(gpu, { n_layer: 1, n_head: 2, n_embd: 8, block_size: 4, vocab_size: 8 });
 * const files = exportGguf(model, tokenizer, "letters.gguf");
 * console.log(Object.keys(files)); // ["letters.gguf"]
 * for await (const bytes of files["letters.gguf"]()) console.log(bytes.length); // what to write, piece by piece
 * ```
 */
export function exportGguf(gpt: Gpt, tokenizer: Tokenizer, name: string, dtype: StoredType = "f32"): ExportFiles {
  const { n_layer, n_head, n_embd, block_size, vocab_size, activation = "gelu_tanh" } = gpt.config;
  if (activation !== "gelu_tanh") {
    throw new WeftError(
      `llama.cpp computes GPT-2 with gelu_tanh and the model has ${activation}: export to onnx instead`,
    );
  }
  const metadata = {
    "general.architecture": "gpt2",
    "general.type": "model",
    "general.alignment": { u32: 32 },
    "general.file_type": { u32: fileTypes[dtype] },
    "gpt2.context_length": { u32: block_size },
    "gpt2.embedding_length": { u32: n_embd },
    "gpt2.block_count": { u32: n_layer },
    "gpt2.feed_forward_length": { u32: 4 * n_embd },
    "gpt2.attention.head_count": { u32: n_head },
    "gpt2.attention.layer_norm_epsilon": { f32: 1e-5 },
    "gpt2.vocab_size": { u32: vocab_size },
    ...ggufTokenizer(tokenizer, vocab_size),
  };
  const parameters = exportParameters(gpt, (name, shape) => ({
    dtype: shape.length === 1 || name.startsWith("wpe") ? "f32" : dtype,
    transpose: isLinearWeight(name),
  }));
  const tensors = new Map([...parameters].map(([name, tensor]) => [ggufName(name), tensor]));
  return { [name]: () => encodeGguf(metadata, tensors) };
}

function ggufName(name: string): string {
  const [, block, part, kind] = /^(?:h\.(\d+)\.)?(.+)\.(weight|bias)$/.exec(name)!;
  return `${block === undefined ? "" : `blk.${block}.`}${names[part]}.${kind}`;
}
