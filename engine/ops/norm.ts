import source from "../../shaders/norm.wgsl" with { type: "text" };
import elements from "../../shaders/norm_elements.wgsl" with { type: "text" };
import vectors from "../../shaders/norm_vectors.wgsl" with { type: "text" };
import { defineShader } from "../kernel.ts";
import { byRow, rowLanes } from "../row_lanes.ts";
import { readsTexels, run } from "../run.ts";
import { record } from "../scope.ts";
import { expectShape, formatShape } from "../shape.ts";
import { empty, type Tensor } from "../tensor.ts";
import { WeftError } from "../weft_error.ts";
import { reshape } from "./layout.ts";
import { sumTo } from "./reduce.ts";

const ofElements = defineShader("norm.wgsl", source, [rowLanes, defineShader("norm_elements.wgsl", elements)]);
const ofVectors = defineShader("norm.wgsl", source, [rowLanes, defineShader("norm_vectors.wgsl", vectors)]);

/**
 * Layer norm over the last dimension (Ba, Kiros & Hinton 2016): `(x − mean) / √(variance + eps) · weight + bias`.
 * `x`: (…, C), f32 or f16; `weight` and `bias`, which may be missing: (C), f32 → (…, C) of the type of `x`.
 */
export function layerNorm(x: Tensor, weight: Tensor, bias?: Tensor, eps = 1e-5): Tensor {
  return normalize("layerNorm", x, weight, bias, eps);
}

/**
 * Root-mean-square norm over the last dimension (Zhang & Sennrich 2019): `x / √(mean(x²) + eps) · weight + bias`.
 * `x`: (…, C), f32 or f16; `weight` and `bias`, which may be missing: (C), f32 → (…, C) of the type of `x`.
 */
export function rmsNorm(x: Tensor, weight: Tensor, bias?: Tensor, eps = 1e-5): Tensor {
  return normalize("rmsNorm", x, weight, bias, eps);
}

function normalize(
  op: "layerNorm" | "rmsNorm",
  x: Tensor,
  weight: Tensor,
  bias: Tensor | undefined,
  eps: number,
): Tensor {
  const C = x.shape.at(-1);
  if (C === undefined) throw new WeftError(`Cannot run ${op} as x is ${formatShape(x.shape)}: it needs a dimension`);
  expectShape(op, bias ? { weight, bias } : { weight }, [C]);
  const { gpu } = x, rows = x.size / C;
  // Enough stretches of rows to fill a GPU, each with enough to do; on a CPU one, where a second dispatch takes longer.
  const most = gpu.isCpu ? Math.ceil(rows * C / 2 ** 18) : Math.min(Math.ceil(8192 / C), Math.ceil(rows / 16));
  const stretches = Math.max(1, most, Math.ceil(rows / (gpu.isCpu ? 4096 : 32_768)));
  const [shader, columns] = gpu.isCpu && C % 4 === 0 ? [ofVectors, C / 4] : [ofElements, C];
  const params = { rows, columns, C, eps, chunk: Math.ceil(rows / stretches), stretches };
  const LANES = gpu.isCpu ? 8 : 64; // few, so that all cores have some
  const constants = { CENTER: op === "layerNorm" ? 1 : 0, BIAS: bias ? 1 : 0, LANES };
  const y = empty(gpu, x.shape, { dtype: x.dtype, label: `${op} output` });
  const stats = empty(gpu, [rows, 2], { label: `statistics of ${op}` });
  const { entry, launch } = byRow(gpu, "forward", rows, 3 * columns);
  run(shader, entry, { x, weight, bias: bias ?? weight, y, stats }, { ...launch, params, constants });
  return record(y, bias ? [x, weight, bias] : [x, weight], (dy, soFar) => {
    // Behind a norm the residual stream goes past it, and its gradient has come already.
    const present = soFar(x), dx = present ?? empty(gpu, x.shape, { dtype: x.dtype, label: `gradient of ${op}` });
    const { entry, launch } = byRow(gpu, "backward", rows, 2 * columns);
    const copied = present !== undefined && readsTexels(gpu, [x, dx]);
    run(shader, entry, { x, weight, statistics: stats, dy, dx, dx_copy: copied ? dx : x }, {
      ...launch,
      params,
      constants: { ...constants, ADD: present ? 1 : 0, COPIED: copied ? 1 : 0 },
    });
    const d_weight = empty(gpu, [stretches, C], { label: `partial weight gradient of ${op}` });
    const d_bias = empty(gpu, [stretches, C], { label: `partial bias gradient of ${op}` });
    const tensors = { x, statistics: stats, dy, d_weight, d_bias };
    run(shader, "backward_parameters", tensors, {
      workgroups: stretches * Math.ceil(columns / LANES),
      params,
      constants,
    });
    const total = (parts: Tensor) => stretches === 1 ? reshape(parts, [C]) : sumTo(parts, [C]);
    return bias ? [dx, total(d_weight), total(d_bias)] : [dx, total(d_weight)];
  });
}
