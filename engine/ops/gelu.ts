import source from "../../shaders/gelu.wgsl" with { type: "text" };
import { defineShader } from "../kernel.ts";
import { inParts } from "../parts.ts";
import { geluCurve } from "../shader_parts.ts";
import { type Launch, run } from "../run.ts";
import { record } from "../scope.ts";
import { empty, type Tensor } from "../tensor.ts";

const shader = defineShader("gelu.wgsl", source, [geluCurve]);

/** Which form of GELU: GPT-2's approximation by tanh, or the exact one by the error function. */
export type GeluForm = "tanh" | "erf";

/** Gaussian error linear unit (Hendrycks & Gimpel 2016), element by element. */
export function gelu(x: Tensor, form: GeluForm = "tanh"): Tensor {
  const y = empty(x.gpu, x.shape, { dtype: x.dtype, label: "gelu output" });
  inParts({ x, out: y }, (parts, size) => run(shader, "forward", parts, launch(size, form)));
  return record(y, [x], (dy) => [geluGradient(x, dy, form)]);
}

/** The gradient of GELU's input from that of its output. Not recorded. */
export function geluGradient(x: Tensor, dy: Tensor, form: GeluForm): Tensor {
  const dx = empty(x.gpu, x.shape, { dtype: x.dtype, label: "gradient of gelu" });
  inParts({ x, dy, out: dx }, (parts, size) => run(shader, "backward", parts, launch(size, form)));
  return dx;
}

function launch(size: number, form: GeluForm): Launch {
  return {
    threads: Math.ceil(size / 4),
    params: { size },
    constants: { TANH: form === "tanh" ? 1 : 0 },
  };
}
