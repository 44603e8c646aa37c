import type { DType, HostTensor } from "../engine/host_tensor.ts";
import { formatShape, sizeOf } from "../engine/shape.ts";
import { WeftError } from "../engine/weft_error.ts";

/** What a safetensors file holds. */
export interface SafetensorsContents {
  /** The tensors by name, in the order of the header. */
  readonly tensors: Map<string, HostTensor>;
  /** The strings under `__metadata__`. */
  readonly metadata: Record<string, string>;
}

const dtypeNames: Record<DType, string> = { f32: "F32", f16: "F16", i32: "I32", u32: "U32" };
const elementBytes: Record<string, number> = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, U32: 4 };
const largestHeader = 100_000_000; // the format's own limit

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
  const header = encodeHeader(tensors, metadata);
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
  await writeAll(file, encodeHeader(tensors, metadata));
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
  const name = options.name ?? "safetensors";
  const fail = (problem: string): never => {
    throw new WeftError(`${name} is not a whole safetensors file: ${problem}`);
  };
  if (bytes.length < 8) fail(`it has ${bytes.length} bytes and the length of its header alone takes 8`);
  const declared = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  if (declared > BigInt(largestHeader) || declared > BigInt(bytes.length - 8)) {
    fail(`its header is said to have ${declared} bytes and the file has ${bytes.length}`);
  }
  const start = 8 + Number(declared), available = bytes.length - start;
  const { __metadata__: metadata = {}, ...entries } = parseHeader(bytes.subarray(8, start), fail);
  if (!isObject(metadata) || !Object.values(metadata).every((value) => typeof value === "string")) {
    fail("__metadata__ is not an object of strings");
  }
  const places = Object.entries(entries).map(([key, entry]) => readEntry(key, entry, available, fail));
  let end = 0;
  for (const { key, begin, length } of places.toSorted((a, b) => a.begin - b.begin || a.length - b.length)) {
    if (begin !== end) fail(`${key} begins at ${begin} and the tensor before it ends at ${end}`);
    end = begin + length;
  }
  if (end !== available) fail(`its tensors end at ${end} and its data at ${available}`);
  const tensors = new Map(places.map(({ key, dtype, shape, begin, length }) => {
    const from = bytes.byteOffset + start + begin;
    return [key, decode(key, dtype, shape, bytes.buffer.slice(from, from + length), fail)];
  }));
  return { tensors, metadata: metadata as Record<string, string> };
}

type Fail = (problem: string) => never;

function parseHeader(bytes: Uint8Array<ArrayBuffer>, fail: Fail): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    fail("its header is not JSON");
  }
  return isObject(header) ? header : fail("its header is not a JSON object");
}

function readEntry(
  key: string,
  entry: unknown,
  available: number,
  fail: Fail,
): { key: string; dtype: string; shape: number[]; begin: number; length: number } {
  if (!isObject(entry)) return fail(`the entry of ${key} is not an object`);
  const { dtype, shape, data_offsets: offsets } = entry;
  const whole = (value: unknown): value is number => Number.isSafeInteger(value) && value as number >= 0;
  if (typeof dtype !== "string" || !Object.hasOwn(elementBytes, dtype)) {
    return fail(
      `${key} has dtype ${JSON.stringify(dtype)}: Weft reads ${Object.keys(elementBytes).join(", ")}`,
    );
  }
  if (!Array.isArray(shape) || !shape.every(whole)) {
    return fail(`${key} has shape ${JSON.stringify(shape)}: it must be a list of whole numbers`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(whole)) {
    return fail(`${key} has data_offsets ${JSON.stringify(offsets)}: they must be two whole numbers`);
  }
  const [begin, end] = offsets as [number, number];
  if (begin > end || end > available) {
    return fail(`${key} lies from ${begin} to ${end} and there are ${available} bytes of data`);
  }
  if (sizeOf(shape) * elementBytes[dtype] !== end - begin) {
    return fail(`${key} is ${dtype} ${formatShape(shape)} and lies in ${end - begin} bytes`);
  }
  return { key, dtype, shape, begin, length: end - begin };
}

function decode(key: string, dtype: string, shape: number[], buffer: ArrayBuffer, fail: Fail): HostTensor {
  switch (dtype) {
    case "I32":
      return { dtype: "i32", shape, data: new Int32Array(buffer) };
    case "U32":
      return { dtype: "u32", shape, data: new Uint32Array(buffer) };
    case "I64": {
      const wide = new BigInt64Array(buffer);
      const bad = wide.find((value) => BigInt.asIntN(32, value) !== value);
      if (bad !== undefined) fail(`${key} holds ${bad}, which does not fit 32 bits`);
      return { dtype: "i32", shape, data: Int32Array.from(wide, Number) };
    }
    default:
      return { dtype: "f32", shape, data: toFloat32(dtype, buffer) };
  }
}

function toFloat32(dtype: string, buffer: ArrayBuffer): Float32Array<ArrayBuffer> {
  switch (dtype) {
    case "F64":
      return Float32Array.from(new Float64Array(buffer));
    case "F16":
      return Float32Array.from(new Float16Array(buffer));
    case "BF16": // the upper half of an f32
      return new Float32Array(Uint32Array.from(new Uint16Array(buffer), (bits) => bits << 16).buffer);
    default:
      return new Float32Array(buffer);
  }
}

function encodeHeader(
  tensors: ReadonlyMap<string, HostTensor>,
  metadata: Readonly<Record<string, string>>,
): Uint8Array<ArrayBuffer> {
  const header: Record<string, unknown> = Object.keys(metadata).length > 0 ? { __metadata__: metadata } : {};
  let offset = 0;
  for (const [name, { dtype, shape, data }] of tensors) {
    if (name === "__metadata__") {
      throw new WeftError("Cannot write a tensor named __metadata__: the format keeps that name");
    }
    if (data.length !== sizeOf(shape)) {
      throw new WeftError(`Cannot write ${name} of shape ${formatShape(shape)} with ${data.length} elements`);
    }
    header[name] = { dtype: dtypeNames[dtype], shape, data_offsets: [offset, offset + data.byteLength] };
    offset += data.byteLength;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const padded = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(8 + padded).fill(0x20); // the header is padded with spaces
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(json, 8);
  return bytes;
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  let written = 0;
  while (written < bytes.length) written += await file.write(bytes.subarray(written));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
