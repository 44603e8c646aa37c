import { ByteWriter } from "./byte_writer.ts";
import type { ExportTensor, StoredType } from "./export_tensor.ts";

/** A value of GGUF's metadata: a text, a flag, a number of 32 bits, or a list of texts or of whole numbers. */
export type GgufValue =
  | string
  | boolean
  | { readonly u32: number }
  | { readonly f32: number }
  | { readonly strings: readonly string[] }
  | { readonly i32s: readonly number[] };

const version = 3, alignment = 32;
const valueTypes = { u32: 4, i32: 5, f32: 6, boolean: 7, string: 8, array: 9 };
const tensorTypes: Record<StoredType, number> = { f32: 0, f16: 1, bf16: 30 };

/**
 * A GGUF file of version 3: metadata by key, then what each tensor is and where, then the tensors themselves, each at a
 * multiple of 32 bytes. ggml counts dimensions from the innermost: a shape (out, in) is written as in, out.
 * https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */
export async function* encodeGguf(
  metadata: Readonly<Record<string, GgufValue>>,
  tensors: ReadonlyMap<string, ExportTensor>,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const header = new ByteWriter().add("GGUF").u32(version).u64(tensors.size).u64(Object.keys(metadata).length);
  for (const [key, value] of Object.entries(metadata)) {
    addString(header, key);
    addValue(header, value);
  }
  let offset = 0;
  for (const [name, { shape, dtype, byteLength }] of tensors) {
    addString(header, name);
    header.u32(shape.length);
    for (const dimension of shape.toReversed()) header.u64(dimension);
    header.u32(tensorTypes[dtype]).u64(offset);
    offset += Math.ceil(byteLength / alignment) * alignment;
  }
  yield header.align(alignment).bytes();
  for (const tensor of tensors.values()) {
    yield await tensor.read();
    yield new Uint8Array(-tensor.byteLength & (alignment - 1));
  }
}

function addValue(writer: ByteWriter, value: GgufValue): void {
  if (typeof value === "string") {
    writer.u32(valueTypes.string);
    addString(writer, value);
  } else if (typeof value === "boolean") writer.u32(valueTypes.boolean).u8(Number(value));
  else if ("u32" in value) writer.u32(valueTypes.u32).u32(value.u32);
  else if ("f32" in value) writer.u32(valueTypes.f32).f32(value.f32);
  else if ("strings" in value) {
    writer.u32(valueTypes.array).u32(valueTypes.string).u64(value.strings.length);
    for (const text of value.strings) addString(writer, text);
  } else {
    writer.u32(valueTypes.array).u32(valueTypes.i32).u64(value.i32s.length);
    for (const number of value.i32s) writer.u32(number);
  }
}

function addString(writer: ByteWriter, text: string): void {
  const bytes = new TextEncoder().encode(text);
  writer.u64(bytes.length).add(bytes);
}
