import type { Storage } from "./buffer_pool.ts";
import type { Gpu } from "./gpu.ts";
import { bytesPerElement, type DType, type HostData, type HostTensor } from "./host_tensor.ts";
import { formatShape, sizeOf } from "./shape.ts";
import { WeftError } from "./weft_error.ts";

/**
 * How an operation gives its gradients back: from that of its output to those of its inputs, in their order. `soFar` is the
 * gradient that an intermediate input has from operations that came after, where there is one that may be changed: who adds to
 * it in place returns it, and saves a pass over memory.
 */
export type BackwardFunction = (
  dy: Tensor,
  soFar: (input: Tensor) => Tensor | undefined,
) => readonly (Tensor | undefined)[];

/** One operation on the tape. */
export interface TapeNode {
  /** What it computed. */
  readonly output: Tensor;
  /** What it computed it from. */
  readonly inputs: readonly Tensor[];
  /** Its gradient. The closure holds what it needs of the forward pass. */
  readonly backward: BackwardFunction;
  /** Storage that nothing reads once its backward has run. */
  readonly storages: readonly Storage[];
  /**
   * The GELU that is the last thing it does: the one operation that takes its output may multiply the gradient that it gives with
   * the slope at `pre`, and says so in `taken`.
   */
  gelu?: { readonly pre: Tensor; readonly form: "tanh" | "erf"; taken: boolean };
}

/** How a tensor is made. */
export interface TensorOptions {
  /** Element type. Default: the type of the typed array, or "f32" for a list of numbers. */
  readonly dtype?: DType;
  /** Whether `backward` leaves the gradient of this tensor in its `grad`. Default: no. */
  readonly requiresGrad?: boolean;
  /** Name in messages. */
  readonly label?: string;
  /** Where its elements begin in its memory, for a tensor that is a part of another. Default: 0. */
  readonly offset?: number;
}

/**
 * An array of numbers on the GPU: contiguous, row-major, never changed by an operation. Operations are functions
 * (`matmul(a, b)`, `softmax(x)`) that return new tensors; only optimizers write in place.
 */
export class Tensor {
  /** Where it lives. */
  readonly gpu: Gpu;
  /** Dimensions, outermost first; an empty list is a scalar. */
  readonly shape: readonly number[];
  /** Element type. */
  readonly dtype: DType;
  /** Number of elements. */
  readonly size: number;
  /** Name in messages. */
  readonly label: string;
  /** Where its elements begin in its memory: 0, but for a part of another tensor. */
  readonly offset: number;
  /** Whether a gradient flows to it. */
  requiresGrad: boolean;
  /** Its gradient, on a leaf after `backward`; until `zeroGrad`, further ones are added. */
  grad: Tensor | undefined;
  /** The operation that made it, while that is on the tape. */
  node: TapeNode | undefined;
  /** How many operations on the tape take it. */
  uses = 0;
  #storage: Storage;
  #generation: number;

  /** For ops; programs use `tensor`, `zeros` and the operations. */
  constructor(gpu: Gpu, storage: Storage, shape: readonly number[], options: TensorOptions = {}) {
    this.gpu = gpu;
    this.shape = shape;
    this.size = sizeOf(shape);
    this.dtype = options.dtype ?? "f32";
    this.label = options.label ?? "tensor";
    this.offset = options.offset ?? 0;
    this.requiresGrad = options.requiresGrad ?? false;
    this.#storage = storage;
    this.#generation = storage.generation;
  }

  /**
   * The memory behind it.
   *
   * @throws {WeftError} when it was given back: the tensor's scope ended, or `backward` was done with it.
   */
  get storage(): Storage {
    if (this.#storage.generation !== this.#generation) {
      throw new WeftError(
        `Cannot use ${this.label} ${formatShape(this.shape)}: its memory was given back when its scope ended or ` +
          `when backward() was done with it; read it before, or name it in { keep }`,
      );
    }
    return this.#storage;
  }

  /** Whether its memory is still its own. */
  get alive(): boolean {
    return this.#storage.generation === this.#generation;
  }

  /**
   * Reads the elements of an f32 or f16 tensor, row-major. Waits for the GPU; `readTensors` reads several with one wait,
   * and those of other types.
   */
  async read(): Promise<Float32Array<ArrayBuffer>> {
    if (this.dtype !== "f32" && this.dtype !== "f16") {
      throw new WeftError(`Cannot read ${this.label}, which is ${this.dtype}, as f32: use readTensors`);
    }
    const [{ data }] = await readTensors([this]);
    return data instanceof Float16Array ? new Float32Array(data) : data as Float32Array<ArrayBuffer>;
  }

  /** Reads the one number of a tensor of size 1. */
  async item(): Promise<number> {
    if (this.size !== 1) {
      throw new WeftError(
        `Cannot read ${this.label} ${formatShape(this.shape)} as one number: its size is ${this.size}`,
      );
    }
    return (await readTensors([this]))[0].data[0];
  }

  /** Gives the memory of the gradient back, so that the next `backward` starts a new one. */
  zeroGrad(): void {
    if (this.grad?.alive) this.gpu.pool.give(this.grad.storage);
    this.grad = undefined;
  }
}

/** Reads several tensors with one wait. */
export async function readTensors(tensors: readonly Tensor[]): Promise<HostTensor[]> {
  if (tensors.length === 0) return [];
  const parts = tensors.map(({ storage, offset, size, dtype }) => {
    const element = bytesPerElement(dtype);
    return { storage, offset: offset * element, bytes: size * element };
  });
  const buffers = await tensors[0].gpu.readStorages(parts);
  return tensors.map(({ dtype, shape }, i) => ({ dtype, shape, data: typedArray(dtype, buffers[i]) }));
}

function typedArray(dtype: DType, buffer: ArrayBuffer): HostData {
  if (dtype === "f32") return new Float32Array(buffer);
  if (dtype === "f16") return new Float16Array(buffer);
  return dtype === "i32" ? new Int32Array(buffer) : new Uint32Array(buffer);
}

/** A tensor of the given shape whose elements are whatever the memory holds: for ops that write all of them. */
export function empty(gpu: Gpu, shape: readonly number[], options: TensorOptions = {}): Tensor {
  return allocate(gpu, shape, options, !options.requiresGrad);
}

function allocate(gpu: Gpu, shape: readonly number[], options: TensorOptions, transient: boolean): Tensor {
  const label = `${options.label ?? "tensor"} ${formatShape(shape)}`;
  if (options.dtype === "f16" && !gpu.hasF16) {
    throw new WeftError(
      `Cannot make ${label} of f16: ${gpu.info.description || "this adapter"} computes with f32 alone`,
    );
  }
  const bytes = sizeOf(shape) * bytesPerElement(options.dtype ?? "f32");
  const storage = gpu.allocate(Math.max(4, bytes), label, transient);
  return new Tensor(gpu, storage, shape, options);
}

/**
 * A tensor with the given elements, row-major. The shape is that of a list by default.
 *
 * @example
 * ```ts
 * import { Gpu } from "./gpu.ts";
 * import { tensor } from "./tensor.ts";
 *
 * using gpu = await Gpu.open();
 * const x = tensor(gpu, [1, 2, 3, 4, 5, 6], [2, 3]); // f32
 * const ids = tensor(gpu, new Int32Array([4, 2]));   // i32
 * console.log(x.shape, ids.dtype);
 * ```
 *
 * @throws {WeftError} when the number of elements is not that of the shape.
 */
export function tensor(
  gpu: Gpu,
  elements: HostData | readonly number[],
  shape: readonly number[] = [elements.length],
  options: TensorOptions = {},
): Tensor {
  const label = options.label ?? "tensor";
  if (!shape.every((dimension) => Number.isSafeInteger(dimension) && dimension >= 0)) {
    throw new WeftError(
      `Cannot make ${label} of shape ${formatShape(shape)}: dimensions are whole numbers from 0`,
    );
  }
  if (elements.length !== sizeOf(shape)) {
    throw new WeftError(
      `Cannot make ${label} of shape ${formatShape(shape)} from ${elements.length} elements: it has ${sizeOf(shape)}`,
    );
  }
  const dtype = options.dtype ??
    (elements instanceof Int32Array
      ? "i32"
      : elements instanceof Uint32Array
      ? "u32"
      : elements instanceof Float16Array
      ? "f16"
      : "f32");
  const bytes = elements.length * bytesPerElement(dtype), whole = Math.ceil(bytes / 4) * 4; // what can be written
  const matches = elements instanceof Float32Array && dtype === "f32" ||
    elements instanceof Float16Array && dtype === "f16" && bytes === whole ||
    elements instanceof Int32Array && dtype === "i32" || elements instanceof Uint32Array && dtype === "u32";
  const data = matches ? elements as HostData : typedArray(dtype, new ArrayBuffer(whole));
  if (!matches) data.set(elements);
  const made = allocate(gpu, shape, { ...options, dtype }, false);
  if (data.byteLength > 0) gpu.write(made.storage, data);
  return made;
}

/** A tensor of zeros. */
export function zeros(gpu: Gpu, shape: readonly number[], options: TensorOptions = {}): Tensor {
  return tensor(gpu, new Float32Array(sizeOf(shape)), shape, { ...options, dtype: options.dtype ?? "f32" });
}
