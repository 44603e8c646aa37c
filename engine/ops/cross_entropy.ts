import source from "../../shaders/cross_entropy.wgsl" with { type: "text" };
import { defineShader } from "../kernel.ts";
import { run } from "../run.ts";
import { record } from "../scope.ts";
import { formatShape, sameShape } from "../shape.ts";
import { empty, type Tensor } from "../tensor.ts";
import { WeftError } from "../weft_error.ts";
import { copyPart } from "./strided_copy.ts";

const shader = defineShader("cross_entropy.wgsl", source);
const lanes = 256;

/** How cross-entropy counts. */
export interface CrossEntropyOptions {
  /** The target whose rows are not counted. Default: −100. */
  readonly ignoreIndex?: number;
}

/**
 * Mean negative log-likelihood of the targets under softmax of the logits. `logits`: (…, V), `targets`: (…) of i32 →
 * a scalar, in nats. A target outside 0 … V − 1 other than `ignoreIndex` makes it NaN, and so does counting no row.
 *
 * @throws {WeftError} when the targets do not have the logits' leading dimensions, or are not integers.
 */
export function crossEntropy(logits: Tensor, targets: Tensor, options: CrossEntropyOptions = {}): Tensor {
  if (
    !sameShape(logits.shape.slice(0, -1), targets.shape) || targets.dtype === "f32" ||
    logits.shape.length === 0
  ) {
    throw new WeftError(
      `Cannot run crossEntropy as logits are ${formatShape(logits.shape)} and targets ${targets.dtype} ` +
        `${formatShape(targets.shape)}: targets must be i32 with the logits' leading dimensions`,
    );
  }
  const { gpu } = logits, C = logits.shape.at(-1)!, rows = targets.size;
  const params = { rows, C, ignore_index: options.ignoreIndex ?? -100 };
  const lse = empty(gpu, [rows], { label: "log-sum-exp of logits" });
  const losses = empty(gpu, [rows], { label: "losses by row" });
  run(shader, "forward", { logits, targets, lse, losses }, { threads: rows, loops: C, params });
  const partial = empty(gpu, [lanes, 2], { label: "partial losses" });
  run(shader, "add_rows", { targets, row_losses: losses, partial }, { threads: lanes, loops: rows / 128, params });
  const meanAndCount = empty(gpu, [2], { label: "loss and count" });
  run(shader, "mean", { partials: partial, loss: meanAndCount }, { workgroups: 1, params });
  const loss = empty(gpu, [], { label: "loss" });
  copyPart(meanAndCount, loss, { shape: [], xStrides: [], outStrides: [], xOffset: 0, outOffset: 0 });
  return record(loss, [logits, targets], (dloss) => {
    const dlogits = empty(gpu, logits.shape, { label: "gradient of logits" });
    run(shader, "backward", {
      logits,
      targets,
      loss_and_count: meanAndCount,
      log_sum_exp: lse,
      d_loss: dloss,
      d_logits: dlogits,
    }, { threads: rows * C, params });
    return [dlogits, undefined];
  });
}
