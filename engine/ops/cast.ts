import { inParts } from "../parts.ts";
import { run } from "../run.ts";
import { record } from "../scope.ts";
import { castShader } from "../shader_parts.ts";
import { formatShape } from "../shape.ts";
import { empty, type Tensor } from "../tensor.ts";
import { WeftError } from "../weft_error.ts";

/**
 * The same numbers as f32 or f16, rounded to the nearest; from 65,520 on f16 has infinity. A tensor of that type already is
 * returned as it is. Gradient: `dy` in the type of `x`.
 *
 * f16 is for storage: it halves the memory of activations and weights. Ops compute and sum in f32 whatever they read.
 *
 * @example
 * ```ts
 * import { Gpu } from "../gpu.ts";
 * import { tensor } from "../tensor.ts";
 * import { cast } from "./cast.ts";
 *
 * using gpu = await Gpu.open();
 * if (gpu.hasF16) console.log(await cast(tensor(gpu, [1 / 3, 2049]), "f16").read()); // [0.33325195, 2048]
 * ```
 *
 * @throws {WeftError} when `x` holds integers, or the adapter has no f16.
 */
export function cast(x: Tensor, dtype: "f32" | "f16"): Tensor {
  if (x.dtype === dtype) return x;
  if (x.dtype !== "f32" && x.dtype !== "f16") {
    throw new WeftError(
      `Cannot run cast to ${dtype} as x ${formatShape(x.shape)} is ${x.dtype}: it must be f32 or f16`,
    );
  }
  const out = empty(x.gpu, x.shape, { dtype, label: x.label });
  inParts({ x, out }, (parts, size) => {
    run(castShader, "main", parts, { threads: Math.ceil(size / 4), params: { size } });
  });
  const own = x.dtype;
  return record(out, [x], (dy) => [cast(dy, own)]);
}
