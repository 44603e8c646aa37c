import source from "../../shaders/fill.wgsl" with { type: "text" };
import type { Gpu } from "../gpu.ts";
import { defineShader } from "../kernel.ts";
import { bytesPerElement } from "../host_tensor.ts";
import { inParts } from "../parts.ts";
import { run } from "../run.ts";
import { record } from "../scope.ts";
import { formatShape } from "../shape.ts";
import { empty, Tensor, type TensorOptions } from "../tensor.ts";
import { WeftError } from "../weft_error.ts";

const shader = defineShader("fill.wgsl", source);

/** A tensor of the given shape, f32 or f16, filled with one number, which is not recorded. */
export function fill(gpu: Gpu, shape: readonly number[], value: number, options: TensorOptions = {}): Tensor {
  const out = empty(gpu, shape, options), half = new Uint16Array(new Float16Array([value]).buffer)[0];
  const bits = out.dtype === "f16" ? half * 0x10001 : new Uint32Array(new Float32Array([value]).buffer)[0];
  inParts({ out }, (parts, size) => {
    const vectors = Math.ceil(size * bytesPerElement(out.dtype) / 16); // one for each invocation
    run(shader, "main", parts, { threads: vectors, params: { vectors, bits } });
  });
  return out;
}

/** A tensor of the same elements in memory of its own. Gradient: passed on. */
export function copy(x: Tensor): Tensor {
  const out = empty(x.gpu, x.shape, { dtype: x.dtype, label: "copy output" });
  copyInto(out, x);
  return record(out, [x], (dy) => [dy]);
}

/**
 * Overwrites `target` with the elements of `x`, which has as many of the same type, in other memory. Not recorded.
 *
 * @throws {WeftError} when it has not.
 */
export function copyInto(target: Tensor, x: Tensor): void {
  if (target.size !== x.size || target.dtype !== x.dtype || target.storage === x.storage) {
    const [from, to] = [x, target].map(({ shape, dtype }) => `${formatShape(shape)} of ${dtype}`);
    throw new WeftError(`Cannot copy ${from} into ${to}: both must be of one size and type, in memory of their own`);
  }
  const element = bytesPerElement(x.dtype), bytes = Math.ceil(x.size * element / 4) * 4;
  x.gpu.recorder.copy(x.storage, x.offset * element, target.storage, target.offset * element, bytes);
}

/**
 * The same tensor without history: no gradient flows through it. It shares the memory.
 */
export function detach(x: Tensor): Tensor {
  return new Tensor(x.gpu, x.storage, x.shape, { dtype: x.dtype, label: x.label });
}
