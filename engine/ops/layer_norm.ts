import source from "../../shaders/layer_norm.wgsl" with { type: "text" };
import { defineShader } from "../kernel.ts";
import type { Tensor } from "../tensor.ts";
import { normalizeRows } from "./norm.ts";

const shader = defineShader("layer_norm.wgsl", source);

/**
 * Layer norm over the last dimension (Ba, Kiros & Hinton 2016): `(x − mean) / √(variance + eps) · weight + bias`.
 * `x`: (…, C); `weight` and `bias`, which may be missing: (C) → (…, C).
 */
export function layerNorm(x: Tensor, weight: Tensor, bias?: Tensor, eps = 1e-5): Tensor {
  return normalizeRows({ op: "layerNorm", shader, statistics: 2 }, x, weight, bias, eps);
}
