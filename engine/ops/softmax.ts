import source from "../../shaders/softmax.wgsl" with { type: "text" };
import { defineShader } from "../kernel.ts";
import { byRow, rowLanes } from "../row_lanes.ts";
import { run } from "../run.ts";
import { record } from "../scope.ts";
import { resolveAxis } from "../shape.ts";
import { empty, type Tensor } from "../tensor.ts";
import { transpose } from "./layout.ts";

const shader = defineShader("softmax.wgsl", source, [rowLanes]);

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
  const shared = { params: { rows, C }, constants: { LOG: log ? 1 : 0 } };
  const byElement = { ...shared, threads: x.size };
  const reduceRows = (name: string, tensors: Record<string, Tensor>): void => {
    const { entry, launch } = byRow(x.gpu, name, rows, C);
    run(shader, entry, tensors, { ...launch, ...shared });
  };
  const totals = empty(x.gpu, [rows, 2], { label: `row totals of ${op}` });
  reduceRows("row_total", { x, rows: totals });
  const y = empty(x.gpu, x.shape, { label: `${op} output` });
  run(shader, "forward", { x, by_row: totals, out: y }, byElement);
  return record(y, [x], (dy) => {
    const sums = empty(x.gpu, [rows, 2], { label: `row sums of ${op}` });
    reduceRows("row_sum", { y, dy, rows: sums });
    const dx = empty(x.gpu, x.shape, { label: `gradient of ${op}` });
    run(shader, "backward", { y, dy, by_row: sums, out: dx }, byElement);
    return [dx];
  });
}
