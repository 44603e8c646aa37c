import type { Gpu } from "./gpu.ts";
import { bytesPerElement, type DType } from "./host_tensor.ts";
import { Tensor } from "./tensor.ts";

/** `count` elements of a tensor from `first` on, in the same memory. A part begins at a multiple of 256 bytes. */
export function partOf(x: Tensor, first: number, shape: readonly number[]): Tensor {
  return new Tensor(x.gpu, x.storage, shape, { dtype: x.dtype, label: x.label, offset: x.offset + first });
}

/**
 * Splits `rows` rows of `width` elements where an adapter cannot bind all of them at once: stretches of rows that fit a binding
 * and begin where one may begin, or are as short as that allows. One stretch where all fit.
 */
export function stretchesOf(gpu: Gpu, dtype: DType, rows: number, width = 1): { first: number; count: number }[] {
  const bytes = bytesPerElement(dtype) * width;
  if (rows * bytes <= gpu.bindingLimit) return [{ first: 0, count: rows }];
  let rowsApart = 256; // rows from one that begins at a multiple of 256 bytes to the next
  while (rowsApart > 1 && rowsApart / 2 * bytes % 256 === 0) rowsApart /= 2;
  const most = Math.max(1, Math.floor(gpu.bindingLimit / bytes / rowsApart)) * rowsApart;
  const stretches = [];
  for (let first = 0; first < rows; first += most) stretches.push({ first, count: Math.min(most, rows - first) });
  return stretches;
}

/**
 * Runs an element-wise operation over tensors of one size in parts that fit a binding: all at once, where they do. `run`
 * receives the parts by name and their size.
 */
export function inParts<T extends Record<string, Tensor>>(tensors: T, run: (parts: T, size: number) => void): void {
  const all = Object.entries(tensors), [[, { gpu, size }]] = all;
  const widest = all.some(([, { dtype }]) => dtype !== "f16") ? "f32" : "f16";
  const stretches = stretchesOf(gpu, widest, size);
  if (stretches.length === 1) return run(tensors, size);
  for (const { first, count } of stretches) {
    run(Object.fromEntries(all.map(([name, x]) => [name, partOf(x, first, [count])])) as T, count);
  }
}
