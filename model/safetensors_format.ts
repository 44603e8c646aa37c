import type { DType, HostTensor } from "../engine/host_tensor.ts";
import { formatShape, sizeOf } from "../engine/shape.ts";
import { WeftError } from "../engine/weft_error.ts";

/** Where a safetensors file keeps a tensor. */
export interface TensorPlace {
  /** Its name. */
  readonly key: string;
  /** Type of its elements, as the format calls it: `F32`. */
  readonly dtype: string;
  /** Its dimensions. */
  readonly shape: readonly number[];
  /** Its first byte, counted from the end of the header. */
  readonly begin: number;
  /** Its bytes. */
  readonly length: number;
}

/** What a header says. */
export interface SafetensorsHeader {
  /** The tensors, in the order of the header. */
  readonly places: readonly TensorPlace[];
  /** The strings under `__metadata__`. */
  readonly metadata: Record<string, string>;
}

/** Throws the error of a file that is not what it must be. */
export type Fail = (problem: string) => never;

const dtypeNames: Record<DType, string> = { f32: "F32", f16: "F16", i32: "I32", u32: "U32" };
const largestHeader = 100_000_000; // the format's own limit

/** Bytes of an element of each type that the format has. */
const elementBytes: Record<string, number> = {
  ...{ F64: 8, F32: 4, F16: 2, BF16: 2, F8_E4M3: 1, F8_E5M2: 1 },
  ...{ I64: 8, I32: 4, I16: 2, I8: 1, U64: 8, U32: 4, U16: 2, U8: 1, BOOL: 1 },
};

/** Throws the error of a safetensors file of that name. */
export function failureOf(name: string): Fail {
  return (problem) => {
    throw new WeftError(`${name} is not a whole safetensors file: ${problem}`);
  };
}

/**
 * The length of the header of a file of `fileBytes` bytes that begins with `first`.
 *
 * @throws {WeftError} when the file cannot have one of that length.
 */
export function headerLength(first: Uint8Array, fileBytes: number, fail: Fail): number {
  if (fileBytes < 8) fail(`it has ${fileBytes} bytes and the length of its header alone takes 8`);
  const declared = new DataView(first.buffer, first.byteOffset, 8).getBigUint64(0, true);
  if (declared > BigInt(largestHeader) || declared > BigInt(fileBytes - 8)) {
    fail(`its header is said to have ${declared} bytes and the file has ${fileBytes}`);
  }
  return Number(declared);
}

/**
 * What a header says, where `available` bytes of data follow it.
 *
 * @throws {WeftError} when it is no JSON or names an unknown type, when offsets overlap, leave gaps, pass the end or do
 * not fit the shape.
 */
export function parseHeader(bytes: Uint8Array<ArrayBuffer>, available: number, fail: Fail): SafetensorsHeader {
  const { __metadata__: metadata = {}, ...entries } = parseJson(bytes, fail);
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
  return { places, metadata: metadata as Record<string, string> };
}

/** A file up to its data, of tensors that follow each other in this order. */
export function encodeHeader(
  tensors: Iterable<readonly [string, Pick<HostTensor, "dtype" | "shape">]>,
  metadata: Readonly<Record<string, string>>,
): Uint8Array<ArrayBuffer> {
  const header: Record<string, unknown> = Object.keys(metadata).length > 0 ? { __metadata__: metadata } : {};
  let offset = 0;
  for (const [name, { dtype, shape }] of tensors) {
    if (name === "__metadata__") {
      throw new WeftError("Cannot write a tensor named __metadata__: the format keeps that name");
    }
    const end = offset + sizeOf(shape) * elementBytes[dtypeNames[dtype]];
    header[name] = { dtype: dtypeNames[dtype], shape, data_offsets: [offset, end] };
    offset = end;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const padded = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(8 + padded).fill(0x20); // the header is padded with spaces
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(json, 8);
  return bytes;
}

/** Elements of F64, F32, F16 or BF16 as f32; those of F32 are not copied. */
export function toFloat32(
  dtype: string,
  bytes: Uint8Array<ArrayBuffer>,
  key: string,
  fail: Fail,
): Float32Array<ArrayBuffer> {
  const { buffer, byteOffset: from, length } = bytes;
  switch (dtype) {
    case "F64":
      return Float32Array.from(new Float64Array(buffer, from, length / 8));
    case "F32":
      return new Float32Array(buffer, from, length / 4);
    case "F16":
      return Float32Array.from(new Float16Array(buffer, from, length / 2));
    case "BF16": // the upper half of an f32
      return new Float32Array(Uint32Array.from(new Uint16Array(buffer, from, length / 2), (bits) => bits << 16).buffer);
    default:
      return fail(`${key} has dtype ${dtype}: Weft takes numbers from F64, F32, F16 and BF16`);
  }
}

/** Whether something parsed is an object of JSON. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseJson(bytes: Uint8Array<ArrayBuffer>, fail: Fail): Record<string, unknown> {
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
): TensorPlace {
  if (!isObject(entry)) return fail(`the entry of ${key} is not an object`);
  const { dtype, shape, data_offsets: offsets } = entry;
  const whole = (value: unknown): value is number => Number.isSafeInteger(value) && value as number >= 0;
  if (typeof dtype !== "string" || !Object.hasOwn(elementBytes, dtype)) {
    return fail(`${key} has dtype ${JSON.stringify(dtype)}: there are ${Object.keys(elementBytes).join(", ")}`);
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
