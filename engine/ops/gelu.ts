import source from "../../shaders/gelu.wgsl" with { type: "text" };
import { defineShader } from "../kernel.ts";
import { run } from "../run.ts";
import { record } from "../scope.ts";
import { empty, type Tensor } from "../tensor.ts";

const shader = defineShader("gelu.wgsl", source);

/** Which form of GELU: GPT-2's approximation by tanh, or the exact one by the error function. */
export type GeluForm = "tanh" | "erf";

/** Gaussian error linear unit (Hendrycks & Gimpel 2016), element by element. */
export function gelu(x: Tensor, form: GeluForm = "tanh"): Tensor {
  const launch = {
    threads: Math.ceil(x.size / 4),
    params: { size: x.size },
    constants: { TANH: form === "tanh" ? 1 : 0 },
  };
  const y = empty(x.gpu, x.shape, { label: "gelu output" });
  run(shader, "forward", { x, out: y }, launch);
  return record(y, [x], (dy) => {
    const dx = empty(x.gpu, x.shape, { label: "gradient of gelu" });
    run(shader, "backward", { x, dy, out: dx }, launch);
    return [dx];
  });
}
