import source from "../../shaders/attention.wgsl" with { type: "text" };
import { type Constants, defineShader, type Params } from "../kernel.ts";
import { type Launch, run } from "../run.ts";
import { record } from "../scope.ts";
import { pcg4d } from "../shader_parts.ts";
import { expectShape, formatShape } from "../shape.ts";
import { empty, type Tensor } from "../tensor.ts";
import { WeftError } from "../weft_error.ts";
import { type DropoutOptions, dropoutParams } from "./dropout.ts";
import { reshape, slice } from "./layout.ts";

const shader = defineShader("attention.wgsl", source, [pcg4d]);

/** How attention is computed. */
export interface AttentionOptions {
  /** Whether a query sees only the keys up to its own place; the last query sees all. Default: yes. */
  readonly causal?: boolean;
  /** What scores are multiplied by. Default: 1 / √D. */
  readonly scale?: number;
  /** Dropout of the probabilities. Default: none. */
  readonly dropout?: DropoutOptions;
}

/**
 * Scaled dot-product attention `softmax(scale · Q Kᵀ + mask) V` (Vaswani et al. 2017), computed with an online
 * softmax (Dao et al. 2022). `q`: (B, H, Tq, D), `k` and `v`: (B, H, Tk, D) → (B, H, Tq, D).
 *
 * @throws {WeftError} when shapes do not agree, or a causal query would see no key (Tq > Tk).
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions = {}): Tensor {
  if (q.shape.length !== 4) {
    throw new WeftError(`Cannot run attention as q is ${formatShape(q.shape)}: it must be (B, H, Tq, D)`);
  }
  const [B, H, Tq, D] = q.shape, Tk = k.shape.at(2) ?? 0;
  expectShape("attention", { k, v }, [B, H, Tk, D]);
  const strides = (T: number): Strides => ({ batch: H * T * D, head: T * D, token: D });
  const plan = planAttention(options, { B, H, Tq, Tk, D }, {
    q: strides(Tq),
    kv: strides(Tk),
    o: strides(Tq),
    offsets: { q_offset: 0, k_offset: 0, v_offset: 0, dk_offset: 0, dv_offset: B * H * Tk * D },
  });
  const o = empty(q.gpu, q.shape, { label: "attention output" });
  const lse = forward(plan, { q, k, v, o });
  return record(o, [q, k, v], (dO) => {
    const dq = empty(q.gpu, q.shape, { label: "gradient of q" });
    const dkv = empty(q.gpu, [2, ...k.shape], { label: "gradients of k and v" });
    backward(plan, { q, k, v, o, lse, dO, dq, dkv });
    return [dq, reshape(slice(dkv, { end: 1 }), k.shape), reshape(slice(dkv, { start: 1 }), v.shape)];
  });
}

/**
 * Attention of a sequence to itself with queries, keys and values side by side, as GPT-2's `c_attn` gives them:
 * `qkv` (B, T, 3C) with heads as consecutive stretches of C → (B, T, C). Nothing is moved in memory.
 *
 * @throws {WeftError} when the last dimension is not 3C with C divisible by `nHead`.
 */
export function selfAttention(qkv: Tensor, nHead: number, options: AttentionOptions = {}): Tensor {
  const [B, T, width] = qkv.shape;
  if (qkv.shape.length !== 3 || width % (3 * nHead) !== 0) {
    throw new WeftError(
      `Cannot run selfAttention with ${nHead} heads as qkv is ${
        formatShape(qkv.shape)
      }: it must be (B, T, 3C) with C ` +
        `divisible by the number of heads`,
    );
  }
  const C = width / 3, D = C / nHead;
  const packed = { batch: T * 3 * C, head: D, token: 3 * C };
  const plan = planAttention(options, { B, H: nHead, Tq: T, Tk: T, D }, {
    q: packed,
    kv: packed,
    o: { batch: T * C, head: D, token: C },
    offsets: { q_offset: 0, k_offset: C, v_offset: 2 * C, dk_offset: C, dv_offset: 2 * C },
  });
  const o = empty(qkv.gpu, [B, T, C], { label: "attention output" });
  const lse = forward(plan, { q: qkv, k: qkv, v: qkv, o });
  return record(o, [qkv], (dO) => {
    const dqkv = empty(qkv.gpu, qkv.shape, { label: "gradient of qkv" });
    backward(plan, { q: qkv, k: qkv, v: qkv, o, lse, dO, dq: dqkv, dkv: dqkv });
    return [dqkv];
  });
}

/** Steps through a tensor from one batch, head and token to the next, in elements. */
interface Strides {
  readonly batch: number;
  readonly head: number;
  readonly token: number;
}

interface AttentionPlan {
  readonly params: Params;
  readonly constants: Constants;
  readonly queries: number;
  readonly keys: number;
  readonly lseShape: readonly number[];
  readonly longest: number;
}

function planAttention(
  options: AttentionOptions,
  { B, H, Tq, Tk, D }: Record<"B" | "H" | "Tq" | "Tk" | "D", number>,
  { q, kv, o, offsets }: { q: Strides; kv: Strides; o: Strides; offsets: Record<string, number> },
): AttentionPlan {
  const { causal = true, scale = 1 / Math.sqrt(D) } = options;
  if (causal && Tq > Tk) {
    throw new WeftError(
      `Cannot run causal attention of ${Tq} queries over ${Tk} keys: the first would see none`,
    );
  }
  return {
    params: {
      heads: H,
      Tq,
      Tk,
      ...{ q_batch: q.batch, q_head: q.head, q_token: q.token },
      ...{ kv_batch: kv.batch, kv_head: kv.head, kv_token: kv.token },
      ...{ o_batch: o.batch, o_head: o.head, o_token: o.token },
      ...offsets,
      scale,
      ...dropoutParams(options.dropout),
    },
    constants: { HEAD_DIM: D, VECTORS: Math.ceil(D / 4), CAUSAL: causal ? 1 : 0 },
    queries: B * H * Tq,
    keys: B * H * Tk,
    lseShape: [B, H, Tq],
    longest: Math.max(Tq, Tk),
  };
}

/** Writes `o` and returns the log-sum-exp of each query's scores. */
function forward(plan: AttentionPlan, tensors: Record<"q" | "k" | "v" | "o", Tensor>): Tensor {
  const lse = empty(tensors.o.gpu, plan.lseShape, { label: "log-sum-exp of attention" });
  run(shader, "forward", { ...tensors, lse }, launch(plan, plan.queries));
  return lse;
}

/** Writes `dq` and `dkv`, which may be one tensor: each pass writes other parts of it. */
function backward(
  plan: AttentionPlan,
  { q, k, v, o, lse, dO, dq, dkv }: Record<"q" | "k" | "v" | "o" | "lse" | "dO" | "dq" | "dkv", Tensor>,
): void {
  const D = empty(o.gpu, plan.lseShape, { label: "row sums of dO · O" });
  const inputs = { q, k, v, d_out: dO, log_sum_exp: lse };
  run(shader, "backward_q", { ...inputs, out: o, d_sums: D, d_q: dq }, launch(plan, plan.queries));
  run(shader, "backward_kv", { ...inputs, d_sums_in: D, d_kv: dkv }, launch(plan, plan.keys));
}

function launch(plan: AttentionPlan, rows: number): Launch {
  // Short loops over a row's vectors are unrolled, longer ones were seen not to be.
  const { VECTORS } = plan.constants, roundsEach = VECTORS <= 8 ? 1 : 2 * VECTORS + 3;
  const loops = Math.max(plan.longest, 1) * roundsEach;
  return { threads: rows, loops, params: { ...plan.params, rows }, constants: plan.constants };
}
