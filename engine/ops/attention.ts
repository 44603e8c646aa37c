import blocksSource from "../../shaders/attention_blocks.wgsl" with { type: "text" };
import commonSource from "../../shaders/attention_common.wgsl" with { type: "text" };
import rowsSource from "../../shaders/attention_rows.wgsl" with { type: "text" };
import tilesSource from "../../shaders/attention_tiles.wgsl" with { type: "text" };
import type { Gpu } from "../gpu.ts";
import { type Constants, defineShader, type Params } from "../kernel.ts";
import { run } from "../run.ts";
import { record } from "../scope.ts";
import { pcg4d } from "../shader_parts.ts";
import { expectShape, formatShape } from "../shape.ts";
import { empty, type Tensor } from "../tensor.ts";
import { WeftError } from "../weft_error.ts";
import { type DropoutOptions, dropoutParams } from "./dropout.ts";
import { reshape, slice } from "./layout.ts";

const common = defineShader("attention_common.wgsl", commonSource, [pcg4d]);
const shaders = {
  rows: defineShader("attention_rows.wgsl", rowsSource, [pcg4d]),
  blocks: defineShader("attention_blocks.wgsl", blocksSource, [common]),
  tiles: defineShader("attention_tiles.wgsl", tilesSource, [common]),
};

/**
 * The ways to compute attention: four queries per invocation, for CPUs (D a multiple of 4 up to 64); one query, with keys
 * and values in workgroup memory, for GPUs (D a multiple of 4 up to 128); one query and nothing else (any D).
 */
export const attentionVariants = ["blocks", "tiles", "rows"] as const;

/** One of the ways to compute attention. */
export type AttentionVariant = typeof attentionVariants[number];

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
  const plan = planAttention(q.gpu, options, { B, H, Tq, Tk, D }, {
    q: strides(Tq),
    kv: strides(Tk),
    o: strides(Tq),
    offsets: { q_offset: 0, k_offset: 0, v_offset: 0, dk_offset: 0, dv_offset: B * H * Tk * D },
  });
  const o = empty(q.gpu, q.shape, { dtype: q.dtype, label: "attention output" });
  const lse = forward(plan, { q, k, v, o });
  return record(o, [q, k, v], (dO) => {
    const dq = empty(q.gpu, q.shape, { dtype: q.dtype, label: "gradient of q" });
    const dkv = empty(q.gpu, [2, ...k.shape], { dtype: q.dtype, label: "gradients of k and v" });
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
  const plan = planAttention(qkv.gpu, options, { B, H: nHead, Tq: T, Tk: T, D }, {
    q: packed,
    kv: packed,
    o: { batch: T * C, head: D, token: C },
    offsets: { q_offset: 0, k_offset: C, v_offset: 2 * C, dk_offset: C, dv_offset: 2 * C },
  });
  const o = empty(qkv.gpu, [B, T, C], { dtype: qkv.dtype, label: "attention output" });
  const lse = forward(plan, { q: qkv, k: qkv, v: qkv, o });
  return record(o, [qkv], (dO) => {
    const dqkv = empty(qkv.gpu, qkv.shape, { dtype: qkv.dtype, label: "gradient of qkv" });
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
  readonly variant: AttentionVariant;
  readonly params: Params;
  readonly constants: Constants;
  readonly heads: number;
  readonly Tq: number;
  readonly Tk: number;
  readonly lseShape: readonly number[];
}

function planAttention(
  gpu: Gpu,
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
  const variant = variantFor(gpu, D, Math.max(Tq, Tk));
  const VECTORS = Math.ceil(D / 4), CAUSAL = causal ? 1 : 0;
  return {
    variant,
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
    constants: { VECTORS, CAUSAL, DROPOUT: options.dropout?.p ? 1 : 0, ...variant === "rows" ? { HEAD_DIM: D } : {} },
    heads: B * H,
    Tq,
    Tk,
    lseShape: [B, H, Tq],
  };
}

/** The variant that is forced, or suits the adapter, where the head dimension allows it. */
function variantFor(gpu: Gpu, D: number, longest: number): AttentionVariant {
  const asked = gpu.forced.attention ?? (gpu.isCpu ? "blocks" : "tiles");
  if (D % 4 !== 0) return "rows";
  // Beyond 64 llvmpipe compiles for half a minute, and what it makes is no faster.
  if (asked === "blocks" && D <= 64 && blockRounds("backward_kv", D / 4) * longest <= gpu.loopLimit) return asked;
  return asked === "tiles" && D <= 128 ? asked : "rows";
}

/** Writes `o` and returns the log-sum-exp of each query's scores. */
function forward(plan: AttentionPlan, tensors: Record<"q" | "k" | "v" | "o", Tensor>): Tensor {
  const lse = empty(tensors.o.gpu, plan.lseShape, { label: "log-sum-exp of attention" });
  launch(plan, "forward", { ...tensors, lse }, plan.Tq);
  return lse;
}

/** Writes `dq` and `dkv`, which may be one tensor: each pass writes other parts of it. */
function backward(
  plan: AttentionPlan,
  { q, k, v, o, lse, dO, dq, dkv }: Record<"q" | "k" | "v" | "o" | "lse" | "dO" | "dq" | "dkv", Tensor>,
): void {
  const D = empty(o.gpu, plan.lseShape, { label: "row sums of dO · O" });
  const inputs = { q, k, v, d_out: dO, log_sum_exp: lse };
  launch(plan, "backward_q", { ...inputs, out: o, d_sums: D, d_q: dq }, plan.Tq);
  launch(plan, "backward_kv", { ...inputs, d_sums_in: D, d_kv: dkv }, plan.Tk);
}

type AttentionPass = "forward" | "backward_q" | "backward_kv";

/** Runs a pass over `tokens` queries or keys of each head. */
function launch(plan: AttentionPlan, entry: AttentionPass, tensors: Record<string, Tensor>, tokens: number): void {
  const { variant, params, constants, heads } = plan;
  const longest = Math.max(plan.Tq, plan.Tk, 1);
  // Two products of queries and keys forward, three and four in the passes backward; half of the pairs are masked.
  const products = { forward: 2, backward_q: 3, backward_kv: 4 }[entry], share = constants.CAUSAL ? 0.5 : 1;
  const flops = 2 * products * share * heads * plan.Tq * plan.Tk * 4 * constants.VECTORS;
  if (variant === "blocks") {
    const tiles = Math.ceil(tokens / (4 * blockLanes)), workgroups = heads * tiles;
    run(shaders.blocks, entry, tensors, {
      workgroups,
      flops,
      loops: longest * blockRounds(entry, constants.VECTORS),
      params: { ...params, tiles, workgroups },
      constants: { ...constants, LANES: blockLanes },
    });
    return;
  }
  // Short loops over a row's vectors are unrolled, longer ones were seen not to be.
  const loops = longest * (constants.VECTORS <= 8 ? 1 : 2 * constants.VECTORS + 3);
  if (variant === "tiles") {
    const tiles = Math.ceil(tokens / tileLanes), workgroups = heads * tiles;
    run(shaders.tiles, entry, tensors, {
      workgroups,
      flops,
      loops: loops + 2 * longest,
      params: { ...params, tiles, workgroups },
      constants: { ...constants, LANES: tileLanes },
    });
  } else {
    const rows = heads * tokens;
    run(shaders.rows, entry, tensors, { threads: rows, flops, loops, params: { ...params, rows }, constants });
  }
}

/**
 * Rounds of loops for one key (or query) in attention_blocks.wgsl. llvmpipe unrolls the loops over a row's vectors up to 12,
 * and up to 16 those that only read the matrices; counted by the lengths where results went wrong.
 */
function blockRounds(pass: AttentionPass, vectors: number): number {
  return vectors <= 12 ? 1 : 1 + (vectors + 1) * { forward: 1.25, backward_q: 1, backward_kv: 2 }[pass];
}

/** Invocations of a workgroup: in attention_blocks.wgsl one vector of a CPU, in attention_tiles.wgsl two of a GPU or one. */
const blockLanes = 8, tileLanes = 64;
