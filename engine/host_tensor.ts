/** The element types that a tensor on the GPU can have. */
export type DType = "f32" | "f16" | "i32" | "u32";

/** The typed arrays that carry a tensor's elements on the host. */
export type HostData =
  | Float32Array<ArrayBuffer>
  | Float16Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>;

/** Bytes of an element. */
export function bytesPerElement(dtype: DType): number {
  return dtype === "f16" ? 2 : 4;
}

/** A tensor in host memory: what is read from a file, uploaded to the GPU, or read back from it. */
export interface HostTensor {
  /** Element type. */
  readonly dtype: DType;
  /** Dimensions, outermost first; an empty list is a scalar. */
  readonly shape: readonly number[];
  /** The elements in row-major order: as many as the product of the shape. */
  readonly data: HostData;
}
