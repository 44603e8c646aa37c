import source from "../../shaders/embedding.wgsl" with { type: "text" };
import { defineShader } from "../kernel.ts";
import { partOf, stretchesOf } from "../parts.ts";
import { run } from "../run.ts";
import { record } from "../scope.ts";
import { expectShape, formatShape } from "../shape.ts";
import { empty, type Tensor } from "../tensor.ts";
import { WeftError } from "../weft_error.ts";
import { fill } from "./copy.ts";
import { sumTo } from "./reduce.ts";

const shader = defineShader("embedding.wgsl", source);

/**
 * Rows of a table: `weight` (V, C), `ids` (…) of i32 or u32 → (…, C), plus those of `positions` (T, C), if they are given, by
 * place in the last dimension of `ids`, which is T. An id outside the table gives a row of NaN, so that the loss shows it.
 * Gradients: the sum of `dy` over the places of each id, in order; its sum over sequences.
 */
export function embedding(weight: Tensor, ids: Tensor, positions?: Tensor): Tensor {
  if (weight.shape.length !== 2 || ids.dtype === "f32") {
    throw new WeftError(
      `Cannot run embedding as weight is ${
        formatShape(weight.shape)
      } and ids are ${ids.dtype}: weight must be (V, C) ` +
        `and ids i32 or u32`,
    );
  }
  const [V, C] = weight.shape, N = ids.size;
  const T = ids.shape.at(-1) ?? 1;
  if (positions) expectShape("embedding", { positions }, [T, C]);
  const whole = { N, V, C, first: 0, count: V, T };
  const inRows = (table: Tensor, run: (part: Tensor, params: typeof whole) => void): void => {
    const stretches = stretchesOf(weight.gpu, table.dtype, V, C);
    for (const { first, count } of stretches) {
      run(stretches.length === 1 ? table : partOf(table, first * C, [count, C]), { ...whole, first, count });
    }
  };
  const y = empty(weight.gpu, [...ids.shape, C], { label: "embedding output" });
  const threads = N * Math.ceil(C / 4), constants = { POSITIONS: positions ? 1 : 0 };
  inRows(weight, (part, params) => {
    run(shader, "forward", { weight: part, ids, positions: positions ?? part, y }, { threads, params, constants });
  });
  return record(y, positions ? [weight, ids, positions] : [weight, ids], (dy) => {
    const links = empty(weight.gpu, [N, 2], { dtype: "u32", label: "places of ids" });
    run(shader, "link", { ids, links }, { threads: N, loops: N, params: whole });
    const dweight = fill(weight.gpu, weight.shape, 0, { label: "gradient of embedding" });
    inRows(dweight, (part, params) => {
      run(shader, "backward", { ids, chains: links, dy, d_weight: part }, { threads, loops: N, params });
    });
    return [dweight, undefined, positions && sumTo(dy, positions.shape)];
  });
}
