import source from "../../shaders/softmax.wgsl" with { type: "text" };
import { defineShader } from "../kernel.ts";
import { run } from "../run.ts";
import { record } from "../scope.ts";
import { resolveAxis } from "../shape.ts";
import { empty, type Tensor } from "../tensor.ts";
import { transpose } from "./layout.ts";

const shader = defineShader("softmax.wgsl", source);

/** `exp(x) / Σ exp(x)` along an axis, by default the last. */
export function softmax(x: Tensor, axis = -1): Tensor {
  return alongAxis("softmax", x, axis, false);
}

/** `x − log Σ exp(x)` along an axis, by default the last. */
export function logSoftmax(x: Tensor, axis = -1): Tensor {
  return alongAxis("logSoftmax", x, axis, true);
}

function alongAxis(op: string, x: Tensor, axis: number, log: boolean): Tensor {
  const resolved = resolveAxis(op, axis, x.shape);
  if (resolved === x.shape.length - 1) return lastAxis(op, x, log);
  return transpose(lastAxis(op, transpose(x, [resolved, -1]), log), [resolved, -1]);
}

function lastAxis(op: string, x: Tensor, log: boolean): Tensor {
  const C = x.shape.at(-1)!, rows = C === 0 ? 0 : x.size / C;
  const launch = { threads: rows, loops: 2 * C, params: { rows, C }, constants: { LOG: log ? 1 : 0 } };
  const y = empty(x.gpu, x.shape, { label: `${op} output` });
  run(shader, "forward", { x, y }, launch);
  return record(y, [x], (dy) => {
    const dx = empty(x.gpu, x.shape, { label: `gradient of ${op}` });
    run(shader, "backward", { output: y, dy, dx }, launch);
    return [dx];
  });
}
