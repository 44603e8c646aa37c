import source from "../../shaders/cross_entropy.wgsl" with { type: "text" };
import { defineShader } from "../kernel.ts";
import { byRow, rowLanes } from "../row_lanes.ts";
import { inParts } from "../parts.ts";
import { run } from "../run.ts";
import { record, recording, Scope } from "../scope.ts";
import { formatShape, sameShape } from "../shape.ts";
import { empty, type Tensor } from "../tensor.ts";
import { WeftError } from "../weft_error.ts";
import { accumulate } from "./binary.ts";
import { product } from "./product.ts";
import { copyPart } from "./strided_copy.ts";

const shader = defineShader("cross_entropy.wgsl", source, [rowLanes]);
const lanes = 256;

/** How cross-entropy counts. */
export interface CrossEntropyOptions {
  /** The target whose rows are not counted. Default: −100. */
  readonly ignoreIndex?: number;
}

/** How the cross-entropy of a linear layer is computed. */
export interface LinearCrossEntropyOptions extends CrossEntropyOptions {
  /** Rows whose logits exist at one time. Default: as many as make 16 Mi logits. */
  readonly chunk?: number;
}

/**
 * Mean negative log-likelihood of the targets under softmax of the logits. `logits`: (…, V), `targets`: (…) of i32 →
 * a scalar, in nats. A target outside 0 … V − 1 other than `ignoreIndex` makes it NaN, and so does counting no row.
 *
 * @throws {WeftError} when the targets do not have the logits' leading dimensions, or are not integers.
 */
export function crossEntropy(logits: Tensor, targets: Tensor, options: CrossEntropyOptions = {}): Tensor {
  checkTargets("crossEntropy", "logits", logits, targets);
  const { gpu } = logits, C = logits.shape.at(-1)!, rows = targets.size;
  const params = { rows, C, ignore_index: options.ignoreIndex ?? -100, first: 0, size: 0 };
  const lse = empty(gpu, [rows], { label: "log-sum-exp of logits" });
  const losses = empty(gpu, [rows], { label: "losses by row" });
  const { entry, launch } = byRow(gpu, "forward", rows, C);
  run(shader, entry, { logits, targets, lse, losses }, { ...launch, params });
  const { loss, meanAndCount } = meanLoss(targets, losses, params);
  return record(loss, [logits, targets], (dloss) => {
    const dlogits = empty(gpu, logits.shape, { label: "gradient of logits" });
    const inputs = { logits, targets, loss_and_count: meanAndCount, log_sum_exp: lse, d_loss: dloss };
    run(shader, "backward", { ...inputs, d_logits: dlogits }, { threads: rows * C, params });
    return [dlogits, undefined];
  });
}

/**
 * `crossEntropy(x · Wᵀ, targets)` without the logits: they are made for a chunk of rows at a time, and gradients are
 * taken from them before the next chunk takes their place (as in Liger Kernel, Hsu et al. 2024). `x`: (…, C), `weight`:
 * (V, C), `targets`: (…) of i32 → a scalar, in nats. At V = 50,257 the logits of a batch are most of its memory. `x` and the
 * weight may both be f16; logits, the loss and the gradient of the weight are f32.
 *
 * @throws {WeftError} when shapes do not agree, or the targets are not integers.
 */
export function linearCrossEntropy(
  x: Tensor,
  weight: Tensor,
  targets: Tensor,
  options: LinearCrossEntropyOptions = {},
): Tensor {
  checkTargets("linearCrossEntropy", "x", x, targets);
  const { gpu, dtype } = x, C = x.shape.at(-1)!, rows = targets.size;
  const [V, width] = weight.shape;
  if (weight.shape.length !== 2 || width !== C) {
    throw new WeftError(
      `Cannot run linearCrossEntropy as x is ${formatShape(x.shape)} and the weight ${
        formatShape(weight.shape)
      }: the ` +
        `weight must be (V, ${C})`,
    );
  }
  const limit = gpu.bindingLimit / 4;
  const most = Math.max(1, Math.floor(Math.min(1 << 24, limit) / V)), chunk = Math.min(rows, options.chunk ?? most);
  const params = { rows, C: V, ignore_index: options.ignoreIndex ?? -100, first: 0, size: 0 };
  const lse = empty(gpu, [rows], { label: "log-sum-exp of logits" });
  const losses = empty(gpu, [rows], { label: "losses by row" });
  const learns = recording(gpu, [x, weight]);
  const dx = learns && x.requiresGrad ? empty(gpu, x.shape, { dtype, label: "gradient of the last layer" }) : undefined;
  const dw = learns && weight.requiresGrad ? empty(gpu, weight.shape, { label: "gradient of the head" }) : undefined;
  for (let first = 0; first < rows; first += chunk) {
    using _ = new Scope(gpu);
    const count = Math.min(chunk, rows - first), whole = count === rows;
    const part = whole ? x : empty(gpu, [count, C], { dtype, label: "rows of a chunk" });
    const flat = { shape: [count * C], xStrides: [1], outStrides: [1] };
    if (!whole) copyPart(x, part, { ...flat, xOffset: first * C, outOffset: 0 });
    const logits = empty(gpu, [count, V], { label: "logits of a chunk" });
    const a = { tensor: part, step: C, k: 1, batch: 0 };
    product(logits, { M: count, N: V, K: C, batch: 1, a, b: { tensor: weight, step: C, k: 1, batch: 0 } });
    const own = { ...params, rows: count, first };
    const { entry, launch } = byRow(gpu, "forward", count, V);
    run(shader, entry, { logits, targets, lse, losses }, { ...launch, params: own });
    if (!dx && !dw) continue;
    const slopes = empty(gpu, [count, V], { dtype, label: "gradient of the logits of a chunk" });
    const inputs = { logits, targets, log_sum_exp: lse };
    run(shader, "slopes", { ...inputs, d_logits: slopes }, { threads: count * V, params: own });
    if (dx) {
      const d = whole ? dx : empty(gpu, [count, C], { dtype, label: "gradient of a chunk" });
      const a = { tensor: slopes, step: V, k: 1, batch: 0 }, b = { tensor: weight, step: 1, k: C, batch: 0 };
      product(d, { M: count, N: C, K: V, batch: 1, a, b });
      if (!whole) copyPart(d, dx, { ...flat, xOffset: 0, outOffset: first * C });
    }
    if (dw) {
      const d = first === 0 ? dw : empty(gpu, weight.shape, { label: "gradient of the head by a chunk" });
      const a = { tensor: slopes, step: 1, k: V, batch: 0 }, b = { tensor: part, step: 1, k: C, batch: 0 };
      product(d, { M: V, N: C, K: count, batch: 1, a, b });
      if (first > 0) accumulate(dw, d);
    }
  }
  const { loss, meanAndCount } = meanLoss(targets, losses, params);
  return record(loss, [x, weight, targets], (dloss) => {
    const rescale = (gradient: Tensor | undefined): Tensor | undefined => {
      if (gradient === undefined) return undefined;
      const { shape, label, dtype } = gradient, out = empty(gpu, shape, { dtype, label });
      inParts({ x: gradient, out }, (parts, size) => {
        const tensors = { ...parts, d_loss: dloss, loss_and_count: meanAndCount };
        run(shader, "rescale", tensors, { threads: size, params: { ...params, size } });
      });
      return out;
    };
    return [rescale(dx), rescale(dw), undefined];
  });
}

function checkTargets(op: string, name: string, x: Tensor, targets: Tensor): void {
  if (!sameShape(x.shape.slice(0, -1), targets.shape) || targets.dtype === "f32" || x.shape.length === 0) {
    throw new WeftError(
      `Cannot run ${op} as ${name} is ${formatShape(x.shape)} and targets ${targets.dtype} ` +
        `${formatShape(targets.shape)}: targets must be i32 with the leading dimensions of ${name}`,
    );
  }
}

/** The mean of the losses whose targets count, and that mean beside their number. */
function meanLoss(
  targets: Tensor,
  losses: Tensor,
  params: {
    readonly rows: number;
    readonly C: number;
    readonly ignore_index: number;
    readonly first: number;
    readonly size: number;
  },
): { loss: Tensor; meanAndCount: Tensor } {
  const { gpu } = targets;
  const partial = empty(gpu, [lanes, 2], { label: "partial losses" });
  const loops = params.rows / 128;
  run(shader, "add_rows", { targets, row_losses: losses, partial }, { threads: lanes, loops, params });
  const meanAndCount = empty(gpu, [2], { label: "loss and count" });
  run(shader, "mean", { partials: partial, loss: meanAndCount }, { workgroups: 1, params });
  const loss = empty(gpu, [], { label: "loss" });
  copyPart(meanAndCount, loss, { shape: [], xStrides: [], outStrides: [], xOffset: 0, outOffset: 0 });
  return { loss, meanAndCount };
}
