import { type ExportFiles, jsonFile } from "./export_files.ts";
import { exportParameters, type ExportTensor, type StoredType } from "./export_tensor.ts";
import type { Gpt } from "./gpt.ts";
import { modelConfigJson } from "./model_config.ts";
import type { Tokenizer } from "./tokenizer.ts";

const typeNames: Record<StoredType, [safetensors: string, torch: string]> = {
  f32: ["F32", "float32"],
  f16: ["F16", "float16"],
  bf16: ["BF16", "bfloat16"],
};

/**
 * The files of a directory that Hugging Face's libraries open: `model.safetensors`, and what `huggingFaceFiles` gives. A
 * model without biases gets zeros for them, because `GPT2LMHeadModel` has no other kind: it computes the same.
 *
 * @example
 * ```ts
 * import { Gpu } from "../engine/gpu.ts";
 * import { CharTokenizer } from "./char_tokenizer.ts";
 * import { exportHuggingFace } from "./export_hugging_face.ts";
 * import { Gpt } from "./gpt.ts";
 *
 * using gpu = await Gpu.open();
 * const tokenizer = CharTokenizer.fromText("abcdefgh");
 * const model = new Gpt(gpu, { n_layer: 1, n_head: 2, n_embd: 8, block_size: 4, vocab_size: 8 });
 * const files = exportHuggingFace(model, tokenizer);
 * console.log(Object.keys(files)); // ["model.safetensors", "config.json", …]
 * for await (const bytes of files["model.safetensors"]()) console.log(bytes.length); // what to write, piece by piece
 * ```
 */
export function exportHuggingFace(gpt: Gpt, tokenizer: Tokenizer, dtype: StoredType = "f32"): ExportFiles {
  return {
    "model.safetensors": () => safetensors(exportParameters(gpt, () => ({ dtype }))),
    ...huggingFaceFiles(gpt, tokenizer, dtype),
  };
}

/** `config.json`, `generation_config.json`, `tokenizer.json` and `tokenizer_config.json` as Hugging Face's libraries read them. */
export function huggingFaceFiles(gpt: Gpt, tokenizer: Tokenizer, dtype: StoredType = "f32"): ExportFiles {
  // Without these, GPT-2's own 50256 would be taken.
  const id = tokenizer.endOfText ?? null, ends = { bos_token_id: id, eos_token_id: id };
  const config = { ...modelConfigJson(gpt), bias: true, n_ctx: gpt.blockSize, torch_dtype: typeNames[dtype][1] };
  const token = tokenizer.endOfText === undefined ? null : tokenizer.decode([tokenizer.endOfText]);
  return {
    "config.json": jsonFile({ ...config, ...ends }),
    "generation_config.json": jsonFile(ends),
    "tokenizer.json": jsonFile(tokenizer.toJSON()),
    "tokenizer_config.json": jsonFile({
      tokenizer_class: "PreTrainedTokenizerFast",
      model_max_length: gpt.blockSize,
      clean_up_tokenization_spaces: false,
      bos_token: token,
      eos_token: token,
    }),
  };
}

/** A safetensors file, tensor by tensor. */
async function* safetensors(tensors: ReadonlyMap<string, ExportTensor>): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const header: Record<string, unknown> = { __metadata__: { format: "pt" } }; // transformers insists on it
  let end = 0;
  for (const [name, { dtype, shape, byteLength }] of tensors) {
    header[name] = { dtype: typeNames[dtype][0], shape, data_offsets: [end, end += byteLength] };
  }
  const json = JSON.stringify(header), length = Math.ceil(json.length / 8) * 8; // names are ASCII
  const bytes = new Uint8Array(8 + length).fill(0x20); // the header is padded with spaces
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  new TextEncoder().encodeInto(json, bytes.subarray(8));
  yield bytes;
  for (const tensor of tensors.values()) yield await tensor.read();
}
