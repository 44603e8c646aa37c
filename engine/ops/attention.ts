import blocksSource from "../../shaders/attention_blocks.wgsl" with { type: "text" };
import commonSource from "../../shaders/attention_common.wgsl" with { type: "text" };
import rowsSource from "../../shaders/attention_rows.wgsl" with { type: "text" };
import tilesSource from "../../shaders/attention_tiles.wgsl" with { type: "text" };
import vectorsLoadedSource from "../../shaders/vectors_loaded.wgsl" with { type: "text" };
import vectorsShuffledSource from "../../shaders/vectors_shuffled.wgsl" with { type: "text" };
import type { Gpu } from "../gpu.ts";
import type { DType } from "../host_tensor.ts";
import { type Constants, defineShader, type Params } from "../kernel.ts";
import { run } from "../run.ts";
import { record } from "../scope.ts";
import { pcg4d, workgroup } from "../shader_parts.ts";
import { expectShape, formatShape, stridesOf } from "../shape.ts";
import { empty, type Tensor } from "../tensor.ts";
import { inTurns, tickets } from "../turns.ts";
import { WeftError } from "../weft_error.ts";
import { type DropoutOptions, dropoutParams } from "./dropout.ts";
import { materializedBackward, materializedForward, type MaterializedOptions } from "./attention_materialized.ts";
import { attentionTrial, packedTrial } from "./attention_trial.ts";
import { reshape, slice } from "./layout.ts";
import { copyPart, stridedCopy } from "./strided_copy.ts";

const common = defineShader("attention_common.wgsl", commonSource, [pcg4d, workgroup]);
const vectorsLoaded = defineShader("vectors_loaded.wgsl", vectorsLoadedSource);
const vectorsShuffled = defineShader("vectors_shuffled.wgsl", vectorsShuffledSource);
const shaders = {
  rows: defineShader("attention_rows.wgsl", rowsSource, [pcg4d]),
  blocks: defineShader("attention_blocks.wgsl", blocksSource, [common, vectorsLoaded]),
  shuffled: defineShader("attention_blocks.wgsl", blocksSource, [common, vectorsShuffled, tickets]),
  tiles: defineShader("attention_tiles.wgsl", tilesSource, [common]),
};

/**
 * The ways to compute attention: four queries per invocation, for CPUs (D a multiple of 4 up to 128), and with rows that lanes
 * pass on, in subgroups of eight (up to 64); one query, with keys and values in workgroup memory, for GPUs (D a multiple of 4 up
 * to 128); one query and nothing else (any D); matrix products, with the scores in memory.
 */
export const attentionVariants = ["blocks", "blocks, shuffled", "tiles", "rows", "materialized"] as const;

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
  const { o, gradients } = attend(
    planAttention(q, options, { B, H, Tq, Tk, D }, sideBySide({ B, H, Tq, Tk, D })),
    q,
    k,
    v,
  );
  return record(o, [q, k, v], gradients);
}

/** Sizes of attention: batches, heads, queries, keys, elements of a head. */
type Sizes = Readonly<Record<"B" | "H" | "Tq" | "Tk" | "D", number>>;

/** How (B, H, T, D) tensors lie in memory. */
function sideBySide({ B, H, Tq, Tk, D }: Sizes): Layout {
  const strides = (T: number): Strides => ({ batch: H * T * D, head: T * D, token: D });
  const offsets = { q_offset: 0, k_offset: 0, v_offset: 0, dk_offset: 0, dv_offset: B * H * Tk * D };
  return { q: strides(Tq), kv: strides(Tk), o: strides(Tq), offsets };
}

/** Attention of tensors that lie side by side, and what gives their gradients. */
function attend(
  plan: AttentionPlan,
  q: Tensor,
  k: Tensor,
  v: Tensor,
): { o: Tensor; gradients: (dO: Tensor) => Tensor[] } {
  const { gpu, dtype } = q, o = empty(gpu, q.shape, { dtype, label: "attention output" });
  if (plan.variant === "materialized") {
    const left = materializedForward({ q, k, v, o }, plan.materialized);
    const gradients = (dO: Tensor): Tensor[] => {
      const [dq, dk, dv] = [q, k, v].map(({ shape, label }) =>
        empty(gpu, shape, { dtype, label: `gradient of ${label}` })
      );
      materializedBackward({ q, k, v, dO, dq, dk, dv }, left, plan.materialized);
      return [dq, dk, dv];
    };
    return { o, gradients };
  }
  const lse = forward(plan, { q, k, v, o });
  const gradients = (dO: Tensor): Tensor[] => {
    const dq = empty(gpu, q.shape, { dtype, label: "gradient of q" });
    const dkv = empty(gpu, [2, ...k.shape], { dtype, label: "gradients of k and v" });
    backward(plan, { q, k, v, o, lse, dO, dq, dkv });
    return [dq, reshape(slice(dkv, { end: 1 }), k.shape), reshape(slice(dkv, { start: 1 }), v.shape)];
  };
  return { o, gradients };
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
  const D = width / 3 / nHead;
  const { o, gradients } = attendPacked(planPacked(qkv, options, { B, H: nHead, Tq: T, Tk: T, D }), qkv);
  return record(o, [qkv], gradients);
}

function planPacked(qkv: Tensor, options: AttentionOptions, sizes: Sizes): AttentionPlan {
  const { H, D, Tq: T } = sizes, C = H * D, packed = { batch: T * 3 * C, head: D, token: 3 * C };
  return planAttention(qkv, options, sizes, {
    q: packed,
    kv: packed,
    o: { batch: T * C, head: D, token: C },
    offsets: { q_offset: 0, k_offset: C, v_offset: 2 * C, dk_offset: C, dv_offset: 2 * C },
  });
}

/** Attention of (B, T, 3C), and what gives its gradient. */
function attendPacked(plan: AttentionPlan, qkv: Tensor): { o: Tensor; gradients: (dO: Tensor) => Tensor[] } {
  const { gpu, dtype, shape: [B, T, width] } = qkv;
  const o = empty(gpu, [B, T, width / 3], { dtype, label: "attention output" });
  if (plan.variant === "materialized") return { o, gradients: materializedPacked(qkv, o, plan) };
  const lse = forward(plan, { q: qkv, k: qkv, v: qkv, o });
  const gradients = (dO: Tensor): Tensor[] => {
    const dqkv = empty(gpu, qkv.shape, { dtype, label: "gradient of qkv" });
    backward(plan, { q: qkv, k: qkv, v: qkv, o, lse, dO, dq: dqkv, dkv: dqkv });
    return [dqkv];
  };
  return { o, gradients };
}

/** The same by matrix products: heads are moved apart before, and together after. */
function materializedPacked(
  qkv: Tensor,
  o: Tensor,
  { materialized, headDim: D }: AttentionPlan,
): (dO: Tensor) => Tensor[] {
  const [B, T, C] = o.shape, shape = [B, C / D, T, D], { gpu, dtype } = qkv;
  const heads = (x: Tensor, part: number, width: number) =>
    stridedCopy("attention", x, shape, [T * width, D, width, 1], part * C);
  const make = (label: string) => empty(gpu, shape, { dtype, label });
  const [q, k, v] = [0, 1, 2].map((part) => heads(qkv, part, 3 * C));
  const apart = make("attention output by heads"), left = materializedForward({ q, k, v, o: apart }, materialized);
  const together = { shape, xStrides: stridesOf(shape), xOffset: 0 };
  copyPart(apart, o, { ...together, outStrides: [T * C, D, C, 1], outOffset: 0 });
  return (gradient) => {
    const dqkv = empty(gpu, qkv.shape, { dtype, label: "gradient of qkv" });
    const dO = heads(gradient, 0, C), [dq, dk, dv] = ["q", "k", "v"].map((name) => make(`gradient of ${name}`));
    materializedBackward({ q, k, v, dO, dq, dk, dv }, left, materialized);
    [dq, dk, dv].forEach((d, part) =>
      copyPart(d, dqkv, { ...together, outStrides: [T * 3 * C, D, 3 * C, 1], outOffset: part * C })
    );
    return [dqkv];
  };
}

/** Steps through a tensor from one batch, head and token to the next, in elements. */
interface Strides {
  readonly batch: number;
  readonly head: number;
  readonly token: number;
}

/** How queries, keys and values, and outputs lie in memory; gradients lie as what they belong to, but for where they begin. */
interface Layout {
  readonly q: Strides;
  readonly kv: Strides;
  readonly o: Strides;
  readonly offsets: Readonly<Record<string, number>>;
}

interface AttentionPlan {
  readonly variant: AttentionVariant;
  readonly params: Params;
  readonly constants: Constants;
  readonly heads: number;
  readonly headDim: number;
  readonly Tq: number;
  readonly Tk: number;
  readonly lseShape: readonly number[];
  /** For the variant of that name. */
  readonly materialized: MaterializedOptions;
}

function planAttention(
  { gpu, dtype }: Tensor,
  options: AttentionOptions,
  sizes: Sizes,
  { q, kv, o, offsets }: Layout,
): AttentionPlan {
  const { B, H, Tq, Tk, D } = sizes;
  const { causal = true, scale = 1 / Math.sqrt(D) } = options;
  if (causal && Tq > Tk) {
    throw new WeftError(
      `Cannot run causal attention of ${Tq} queries over ${Tk} keys: the first would see none`,
    );
  }
  const variant = variantFor(gpu, dtype, sizes, causal, offsets.k_offset > 0);
  const VECTORS = Math.ceil(D / 4), CAUSAL = causal ? 1 : 0, DROPOUT = options.dropout?.p ? 1 : 0;
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
    constants: { VECTORS, CAUSAL, DROPOUT },
    headDim: D,
    heads: B * H,
    Tq,
    Tk,
    lseShape: [B, H, Tq],
    materialized: { params: { scale, ...dropoutParams(options.dropout) }, constants: { CAUSAL, DROPOUT } },
  };
}

/** The variant that is forced, was measured, or suits the adapter, where the head dimension allows it. */
function variantFor(gpu: Gpu, dtype: DType, sizes: Sizes, causal: boolean, packed: boolean): AttentionVariant {
  const { B, H, Tq, Tk, D } = sizes, longest = Math.max(Tq, Tk);
  const possible = (variant: string): boolean => {
    if (variant === "rows" || variant === "materialized") return true;
    if (D % 4 !== 0) return false;
    if (variant === "tiles") return D <= 128;
    if (variant === "blocks, shuffled" && (!gpu.hasSubgroupsOf8 || D > 64)) return false;
    return D <= 128 && longest <= gpu.loopLimit;
  };
  const { attention: forced } = gpu.forced;
  if (forced) return possible(forced) ? forced as AttentionVariant : "rows";
  // Scores in memory are a candidate where they take no more of it than the gradients of queries, keys and values.
  const fits = longest <= 6 * D && longest <= 1024;
  // Above 64 llvmpipe compiles blocks for 10 to 30 s.
  const usual = ["blocks, shuffled", "blocks", "rows"] as const;
  const preferred = !gpu.isCpu ? ["tiles", "rows"] as const : D > 64 && fits ? ["materialized"] as const : usual;
  const fallback: AttentionVariant = preferred.find(possible)!;
  const candidates: AttentionVariant[] = [fallback];
  if (!gpu.isCpu && fallback !== "rows") candidates.push("rows");
  if (fits && fallback !== "materialized") candidates.push("materialized");
  const kind = `${packed ? "self-" : ""}attention ${dtype === "f16" ? "f16 " : ""}${causal ? "causal " : ""}`;
  const key = `${kind}${B}×${H}×${Tq}×${Tk}×${D}`, question = { gpu, dtype, sizes, causal };
  return gpu.choices.choose(
    key,
    fallback,
    candidates,
    () =>
      packed
        ? packedTrial(
          question,
          (variant, qkv) => attendPacked({ ...planPacked(qkv, { causal }, sizes), variant } as AttentionPlan, qkv),
        )
        : attentionTrial(question, (variant, q, k, v) => {
          const plan = planAttention(q, { causal }, sizes, sideBySide(sizes));
          return attend({ ...plan, variant } as AttentionPlan, q, k, v);
        }),
  );
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
  if (variant === "blocks" || variant === "blocks, shuffled") {
    const tiles = Math.ceil(tokens / (4 * blockLanes)), workgroups = heads * tiles;
    const turns = variant === "blocks" ? undefined : inTurns(tensors.q.gpu, workgroups, longest);
    run(turns ? shaders.shuffled : shaders.blocks, entry, { ...tensors, ...turns?.tensors }, {
      workgroups: turns?.workgroups ?? workgroups,
      flops,
      loops: longest,
      params: { ...params, tiles, workgroups, share: turns?.share ?? 1 },
      constants: { ...constants, LANES: blockLanes },
    });
    return;
  }
  if (variant === "tiles") {
    const tiles = Math.ceil(tokens / tileLanes), workgroups = heads * tiles;
    run(shaders.tiles, entry, tensors, {
      workgroups,
      flops,
      loops: 4 * longest,
      params: { ...params, tiles, workgroups, share: 1 },
      constants: { ...constants, LANES: tileLanes },
    });
  } else {
    const rows = heads * tokens;
    run(shaders.rows, entry, tensors, {
      threads: rows,
      flops,
      // Short loops over a row's vectors are unrolled, longer ones were seen not to be.
      loops: longest * (constants.VECTORS <= 8 ? 1 : 2 * constants.VECTORS + 3),
      params: { ...params, rows },
      constants: { ...constants, HEAD_DIM: plan.headDim },
    });
  }
}

/** Invocations of a workgroup: in attention_blocks.wgsl one vector of a CPU, in attention_tiles.wgsl two of a GPU or one. */
const blockLanes = 8, tileLanes = 64;
