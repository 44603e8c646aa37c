import { sizeOf } from "../engine/shape.ts";
import type { Tensor } from "../engine/tensor.ts";
import { WeftError } from "../engine/weft_error.ts";
import type { Gpt } from "./gpt.ts";
import { gptParameterShapes } from "./gpt_config.ts";

/** How a number is stored in a file. */
export type StoredType = "f32" | "f16" | "bf16";

/** A tensor on its way into a file: what it will be is known, its elements are fetched when they are written. */
export interface ExportTensor {
  /** Dimensions, outermost first. */
  readonly shape: readonly number[];
  /** Type of its elements in the file. */
  readonly dtype: StoredType;
  /** How many bytes `read` will give. */
  readonly byteLength: number;
  /** Its elements in row-major order, little-endian. */
  read(): Promise<Uint8Array<ArrayBuffer>>;
}

/** How a parameter is stored. */
export interface ExportTensorOptions {
  /** Type of its elements in the file. Default: f32. */
  readonly dtype?: StoredType;
  /** Whether a matrix is stored the other way around: (in, out) becomes (out, in). */
  readonly transpose?: boolean;
}

/**
 * A parameter as it is stored, and read from the GPU when it is time.
 *
 * @throws {WeftError} from `read`, when a number is too large for f16.
 */
export function exportTensor(tensor: Tensor, options: ExportTensorOptions = {}): ExportTensor {
  const { dtype = "f32", transpose = false } = options;
  const [rows, columns] = tensor.shape;
  return {
    shape: transpose ? [columns, rows] : tensor.shape,
    dtype,
    byteLength: byteLengthOf(tensor.shape, dtype),
    read: async () => {
      const values = await tensor.read();
      return store(transpose ? transposed(values, rows, columns) : values, dtype, tensor.label);
    },
  };
}

/** Zeros of a shape: a bias that the model does without and the file's readers do not. */
export function exportZeros(shape: readonly number[], dtype: StoredType = "f32"): ExportTensor {
  const byteLength = byteLengthOf(shape, dtype);
  return { shape, dtype, byteLength, read: () => Promise.resolve(new Uint8Array(byteLength)) };
}

/** Whether a parameter is the weight of a linear layer: (in, out) here and in Hugging Face's GPT-2, (out, in) elsewhere. */
export function isLinearWeight(name: string): boolean {
  return /\.c_(attn|proj|fc)\.weight$/.test(name);
}

/**
 * All parameters that a GPT-2 has, under Hugging Face's names: those of the model, and zeros for the biases of a model
 * without. `options` says how each is stored.
 */
export function exportParameters(
  gpt: Gpt,
  options: (name: string, shape: readonly number[]) => ExportTensorOptions,
): Map<string, ExportTensor> {
  const parameters = gpt.parameters();
  return new Map([...gptParameterShapes({ ...gpt.config, bias: true })].map(([name, shape]) => {
    const found = parameters.get(name), stored = options(name, shape);
    return [name, found === undefined ? exportZeros(shape, stored.dtype) : exportTensor(found, stored)];
  }));
}

function byteLengthOf(shape: readonly number[], dtype: StoredType): number {
  return sizeOf(shape) * (dtype === "f32" ? 4 : 2);
}

function store(values: Float32Array<ArrayBuffer>, dtype: StoredType, name: string): Uint8Array<ArrayBuffer> {
  if (dtype === "f32") return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  if (dtype === "bf16") return new Uint8Array(toBfloat16(values).buffer);
  const half = new Float16Array(values);
  const large = half.findIndex((value, i) => !Number.isFinite(value) && Number.isFinite(values[i]));
  if (large >= 0) throw new WeftError(`${name} holds ${values[large]}, which f16 cannot: export f32 or bf16`);
  return new Uint8Array(half.buffer);
}

/** The upper halves of f32, rounded to the nearest and to even between two. */
function toBfloat16(values: Float32Array<ArrayBuffer>): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return Uint16Array.from(
    bits,
    (word, i) => Number.isNaN(values[i]) ? 0x7fc0 : (word + 0x7fff + (word >>> 16 & 1)) >>> 16,
  );
}

function transposed(values: Float32Array<ArrayBuffer>, rows: number, columns: number): Float32Array<ArrayBuffer> {
  const turned = new Float32Array(values.length);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) turned[j * rows + i] = values[i * columns + j];
  }
  return turned;
}
