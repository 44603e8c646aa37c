import source from "../../shaders/attention_materialized.wgsl" with { type: "text" };
import { type Constants, defineShader, type Params } from "../kernel.ts";
import { byRow, rowLanes } from "../row_lanes.ts";
import { run } from "../run.ts";
import { Scope } from "../scope.ts";
import { pcg4d } from "../shader_parts.ts";
import { empty, type Tensor } from "../tensor.ts";
import { product } from "./product.ts";

const shader = defineShader("attention_materialized.wgsl", source, [rowLanes, pcg4d]);

/** What attention with its scores in memory is told: numbers of the mask and of dropout. */
export interface MaterializedOptions {
  /** scale, and drop, seed, seed_high, counter. */
  readonly params: Params;
  /** CAUSAL and DROPOUT. */
  readonly constants: Constants;
}

/** What its forward pass leaves for the gradient: P and, with dropout in it, Z; both (B, H, Tq, Tk). */
export interface Probabilities {
  /** The softmax. */
  readonly P: Tensor;
  /** What values are weighted with: P itself without dropout. */
  readonly Z: Tensor;
}

/**
 * Attention as three steps: scores by a matrix product, their softmax, and another product. Takes (B, H, Tq, Tk) of memory, which
 * the other kernels do not; quick where a sequence is short. Writes `o` (B, H, Tq, D). Not recorded.
 */
export function materializedForward(
  { q, k, v, o }: Record<"q" | "k" | "v" | "o", Tensor>,
  options: MaterializedOptions,
): Probabilities {
  const { gpu, dtype } = q, [B, H, Tq, D] = q.shape, Tk = k.shape[2], shape = [B, H, Tq, Tk];
  const P = empty(gpu, shape, { dtype, label: "probabilities of attention" });
  const Z = options.constants.DROPOUT ? empty(gpu, shape, { dtype, label: "kept probabilities of attention" }) : P;
  using _ = new Scope(gpu);
  const scores = multiply(empty(gpu, shape, { label: "scores of attention" }), q, k, D, [false, true]);
  const kept = Z === P ? empty(gpu, [1], { dtype, label: "unused output" }) : Z;
  byRows("forward", { scores, probabilities: P, kept }, options, Tq, Tk);
  multiply(o, Z, v, Tk, [false, false]);
  return { P, Z };
}

/** The gradients `dq`, `dk` and `dv` from that of the output. Not recorded. */
export function materializedBackward(
  { q, k, v, dO, dq, dk, dv }: Record<"q" | "k" | "v" | "dO" | "dq" | "dk" | "dv", Tensor>,
  { P, Z }: Probabilities,
  options: MaterializedOptions,
): void {
  const { gpu, dtype } = q, [, , Tq, D] = q.shape, Tk = k.shape[2];
  using _ = new Scope(gpu);
  multiply(dv, Z, dO, Tq, [true, false]);
  const dZ = multiply(empty(gpu, P.shape, { label: "gradient of probabilities" }), dO, v, D, [false, true]);
  const dS = empty(gpu, P.shape, { dtype, label: "gradient of scores" });
  byRows("backward", { softmax: P, d_kept: dZ, d_scores: dS }, options, Tq, Tk);
  multiply(dq, dS, k, Tk, [false, false]);
  multiply(dk, dS, q, Tq, [true, false]);
}

function byRows(
  name: string,
  tensors: Record<string, Tensor>,
  { params, constants }: MaterializedOptions,
  Tq: number,
  Tk: number,
): void {
  const [{ gpu, size }] = Object.values(tensors), rows = size / Tk;
  const { entry, launch } = byRow(gpu, name, rows, 2 * Tk);
  run(shader, entry, tensors, { ...launch, params: { ...params, rows, Tq, Tk }, constants });
}

/** c = a · b for each batch and head, over `K`; either may be transposed. */
function multiply(c: Tensor, a: Tensor, b: Tensor, K: number, [tA, tB]: readonly [boolean, boolean]): Tensor {
  const [B, H, M, N] = c.shape;
  product(c, {
    ...{ M, N, K, batch: B * H },
    a: { tensor: a, batch: M * K, step: tA ? 1 : K, k: tA ? M : 1 },
    b: { tensor: b, batch: N * K, step: tB ? K : 1, k: tB ? 1 : N },
  });
  return c;
}
