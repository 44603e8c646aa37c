import source from "../../shaders/rms_norm.wgsl" with { type: "text" };
import { defineShader } from "../kernel.ts";
import type { Tensor } from "../tensor.ts";
import { normalizeRows } from "./norm.ts";

const shader = defineShader("rms_norm.wgsl", source);

/**
 * Root-mean-square norm over the last dimension (Zhang & Sennrich 2019): `x / √(mean(x²) + eps) · weight + bias`.
 * `x`: (…, C); `weight` and `bias`, which may be missing: (C) → (…, C).
 */
export function rmsNorm(x: Tensor, weight: Tensor, bias?: Tensor, eps = 1e-5): Tensor {
  return normalizeRows({ op: "rmsNorm", shader, statistics: 1 }, x, weight, bias, eps);
}
