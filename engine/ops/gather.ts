import source from "../../shaders/gather.wgsl" with { type: "text" };
import { defineShader } from "../kernel.ts";
import { run } from "../run.ts";
import { record } from "../scope.ts";
import { formatShape, resolveAxis, sameShape, sizeOf } from "../shape.ts";
import { empty, type Tensor } from "../tensor.ts";
import { WeftError } from "../weft_error.ts";

const shader = defineShader("gather.wgsl", source);

/**
 * Picks elements along an axis: `y[…, k, …] = x[…, index[…, k, …], …]`. `index` has the shape of `x` but for that
 * axis, and integers from 0 to below its size; others give NaN. Gradient: `dy` added up at the places it came from.
 *
 * @throws {WeftError} when the shapes differ off the axis, or the index is not of integers.
 */
export function gather(x: Tensor, axis: number, index: Tensor): Tensor {
  const along = resolveAxis("gather", axis, x.shape);
  const agrees = index.shape.length === x.shape.length &&
    sameShape(index.shape.with(along, 0), x.shape.with(along, 0));
  if (!agrees || index.dtype === "f32") {
    throw new WeftError(
      `Cannot run gather along axis ${along} as x is ${formatShape(x.shape)} and index ${index.dtype} ` +
        `${formatShape(index.shape)}: index must be i32 or u32 and agree with x on all other axes`,
    );
  }
  const params = {
    outer: sizeOf(x.shape.slice(0, along)),
    A: x.shape[along],
    K: index.shape[along],
    inner: sizeOf(x.shape.slice(along + 1)),
  };
  const y = empty(x.gpu, index.shape, { label: "gather output" });
  run(shader, "forward", { x, index, y }, { threads: y.size, params });
  return record(y, [x, index], (dy) => {
    const dx = empty(x.gpu, x.shape, { label: "gradient of gather" });
    run(shader, "backward", { index, dy, dx }, { threads: x.size, loops: params.K, params });
    return [dx, undefined];
  });
}
