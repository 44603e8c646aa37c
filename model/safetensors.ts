import type { HostTensor } from "../engine/host_tensor.ts";
import { formatShape, sizeOf } from "../engine/shape.ts";
import { WeftError } from "../engine/weft_error.ts";
import {
  encodeHeader,
  type Fail,
  failureOf,
  headerLength,
  parseHeader,
  type TensorPlace,
  toFloat32,
} from "./safetensors_format.ts";

/** What a safetensors file holds. */
export interface SafetensorsContents {
  /** The tensors by name, in the order of the header. */
  readonly tensors: Map<string, HostTensor>;
  /** The strings under `__metadata__`. */
  readonly metadata: Record<string, string>;
}

/**
 * A safetensors file in memory: 8 bytes of header length, a JSON header, then the data of each tensor.
 *
 * @example
 * ```ts
 * import { encodeSafetensors, parseSafetensors } from "./safetensors.ts";
 * const bytes = encodeSafetensors(new Map([["w", { dtype: "f32", shape: [2], data: new Float32Array([1, 2]) }]]));
 * console.log(parseSafetensors(bytes).tensors.get("w")); // { dtype: "f32", shape: [2], data: [1, 2] }
 * ```
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, HostTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const header = headerOf(tensors, metadata);
  let length = header.length;
  for (const { data } of tensors.values()) length += data.byteLength;
  const bytes = new Uint8Array(length);
  bytes.set(header);
  let at = header.length;
  for (const { data } of tensors.values()) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return bytes;
}

/** Writes a safetensors file tensor by tensor, and waits until the disk has it. */
export async function writeSafetensorsFile(
  path: string,
  tensors: ReadonlyMap<string, HostTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  using file = await Deno.open(path, { write: true, create: true, truncate: true });
  await writeAll(file, headerOf(tensors, metadata));
  for (const { data } of tensors.values()) {
    await writeAll(file, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  await file.sync();
}

/**
 * Reads a safetensors file.
 *
 * @throws {WeftError} when it is missing, truncated or not what it says; see `parseSafetensors`.
 */
export async function readSafetensorsFile(path: string): Promise<SafetensorsContents> {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = await Deno.readFile(path);
  } catch (error) {
    throw new WeftError(`${path} cannot be read: ${(error as Error).message}`);
  }
  return parseSafetensors(bytes, { name: path });
}

/**
 * Reads a safetensors file in memory. F64, F16 and BF16 become f32, I64 becomes i32.
 *
 * @throws {WeftError} when the header is too long, is no JSON or names an unknown type, when offsets overlap, leave
 * gaps, pass the end or do not fit the shape, or an I64 does not fit i32. `name` is the file's, for messages.
 */
export function parseSafetensors(
  bytes: Uint8Array<ArrayBuffer>,
  options: { readonly name?: string } = {},
): SafetensorsContents {
  const fail = failureOf(options.name ?? "safetensors");
  const start = 8 + headerLength(bytes, bytes.length, fail);
  const { places, metadata } = parseHeader(bytes.subarray(8, start), bytes.length - start, fail);
  const tensors = new Map(places.map((place) => {
    const from = start + place.begin;
    return [place.key, decode(place, bytes.slice(from, from + place.length), fail)];
  }));
  return { tensors, metadata };
}

function decode({ key, dtype, shape }: TensorPlace, bytes: Uint8Array<ArrayBuffer>, fail: Fail): HostTensor {
  switch (dtype) {
    case "I32":
      return { dtype: "i32", shape, data: new Int32Array(bytes.buffer) };
    case "U32":
      return { dtype: "u32", shape, data: new Uint32Array(bytes.buffer) };
    case "I64": {
      const wide = new BigInt64Array(bytes.buffer);
      const bad = wide.find((value) => BigInt.asIntN(32, value) !== value);
      if (bad !== undefined) fail(`${key} holds ${bad}, which does not fit 32 bits`);
      return { dtype: "i32", shape, data: Int32Array.from(wide, Number) };
    }
    default:
      return { dtype: "f32", shape, data: toFloat32(dtype, bytes, key, fail) };
  }
}

function headerOf(
  tensors: ReadonlyMap<string, HostTensor>,
  metadata: Readonly<Record<string, string>>,
): Uint8Array<ArrayBuffer> {
  for (const [name, { shape, data }] of tensors) {
    if (data.length !== sizeOf(shape)) {
      throw new WeftError(`Cannot write ${name} of shape ${formatShape(shape)} with ${data.length} elements`);
    }
  }
  return encodeHeader(tensors, metadata);
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  let written = 0;
  while (written < bytes.length) written += await file.write(bytes.subarray(written));
}
