import source from "../../shaders/copy.wgsl" with { type: "text" };
import type { Gpu } from "../gpu.ts";
import { defineShader } from "../kernel.ts";
import { run } from "../run.ts";
import { record } from "../scope.ts";
import { empty, Tensor, type TensorOptions } from "../tensor.ts";

const shader = defineShader("copy.wgsl", source);

/** A tensor of the given shape filled with one number, which is not recorded. */
export function fill(gpu: Gpu, shape: readonly number[], value: number, options: TensorOptions = {}): Tensor {
  const out = empty(gpu, shape, options);
  run(shader, "fill", { out }, { threads: Math.ceil(out.size / 4), params: { size: out.size, value } });
  return out;
}

/** A tensor of the same elements in memory of its own. Gradient: passed on. */
export function copy(x: Tensor): Tensor {
  const out = empty(x.gpu, x.shape, { dtype: x.dtype, label: "copy output" });
  copyInto(out, x);
  return record(out, [x], (dy) => [dy]);
}

/** Overwrites `target` with the elements of `x`, which has as many. Not recorded. */
export function copyInto(target: Tensor, x: Tensor): void {
  run(shader, "copy", { x, out: target }, {
    threads: Math.ceil(x.size / 4),
    params: { size: x.size, value: 0 },
  });
}

/**
 * The same tensor without history: no gradient flows through it. It shares the memory.
 */
export function detach(x: Tensor): Tensor {
  return new Tensor(x.gpu, x.storage, x.shape, { dtype: x.dtype, label: x.label });
}
