import type { Shader } from "../kernel.ts";
import { run } from "../run.ts";
import { record } from "../scope.ts";
import { expectShape, formatShape } from "../shape.ts";
import { empty, type Tensor } from "../tensor.ts";
import { WeftError } from "../weft_error.ts";
import { sumTo } from "./reduce.ts";

/** What tells one kind of normalisation from another. */
export interface NormKind {
  /** Name of the operation in messages. */
  readonly op: string;
  /** Its shader: entry points forward, forward_bias, backward and backward_parameters. */
  readonly shader: Shader;
  /** How many numbers it keeps of each row. */
  readonly statistics: number;
}

/** Normalises each row of `x` and applies `weight` and `bias`: what layer norm and RMS norm share on the host. */
export function normalizeRows(
  { op, shader, statistics }: NormKind,
  x: Tensor,
  weight: Tensor,
  bias: Tensor | undefined,
  eps: number,
): Tensor {
  const C = x.shape.at(-1);
  if (C === undefined) {
    throw new WeftError(`Cannot run ${op} as x is ${formatShape(x.shape)}: it needs a dimension`);
  }
  expectShape(op, bias ? { weight, bias } : { weight }, [C]);
  const { gpu } = x, rows = x.size / C;
  // Enough stretches of rows to fill a GPU, each with enough to do.
  const stretches = Math.max(1, Math.min(Math.ceil(8192 / C), Math.ceil(rows / 16)));
  const params = { rows, C, eps, chunk: Math.ceil(rows / stretches), stretches };
  const y = empty(gpu, x.shape, { label: `${op} output` });
  const stats = empty(gpu, [rows, statistics], { label: `statistics of ${op}` });
  if (bias) run(shader, "forward_bias", { x, weight, bias, y, stats }, { threads: rows, params });
  else run(shader, "forward", { x, weight, y, stats }, { threads: rows, params });
  return record(y, bias ? [x, weight, bias] : [x, weight], (dy) => {
    const dx = empty(gpu, x.shape, { label: `gradient of ${op}` });
    run(shader, "backward", { x, weight, statistics: stats, dy, dx }, { threads: rows, params });
    const d_weight = empty(gpu, [stretches, C], { label: `partial weight gradient of ${op}` });
    const d_bias = empty(gpu, [stretches, C], { label: `partial bias gradient of ${op}` });
    const threads = stretches * C;
    run(shader, "backward_parameters", { x, statistics: stats, dy, d_weight, d_bias }, { threads, params });
    return bias ? [dx, sumTo(d_weight, [C]), sumTo(d_bias, [C])] : [dx, sumTo(d_weight, [C])];
  });
}
