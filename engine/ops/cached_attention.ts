import source from "../../shaders/attention_cached.wgsl" with { type: "text" };
import type { Gpu } from "../gpu.ts";
import { defineShader, type Params } from "../kernel.ts";
import { run } from "../run.ts";
import { workgroup } from "../shader_parts.ts";
import { expectShape, formatShape } from "../shape.ts";
import { empty, type Tensor, zeros } from "../tensor.ts";
import { WeftError } from "../weft_error.ts";

const shader = defineShader("attention_cached.wgsl", source, [workgroup]);

/** Keys and values of one layer: (rows, H, S, D), D rounded up to a multiple of 4. */
export interface KeysAndValues {
  /** The keys. */
  readonly keys: Tensor;
  /** The values. */
  readonly values: Tensor;
}

/** Room for the keys and values of `rows` sequences of up to `S` tokens, with heads of `D` elements; zeros. */
export function keysAndValues(
  gpu: Gpu,
  { rows, H, S, D }: Readonly<Record<"rows" | "H" | "S" | "D", number>>,
  dtype: "f32" | "f16",
): KeysAndValues {
  const shape = [rows, H, S, 4 * Math.ceil(D / 4)];
  return { keys: zeros(gpu, shape, { dtype, label: "keys" }), values: zeros(gpu, shape, { dtype, label: "values" }) };
}

/**
 * Attention of T new tokens of each sequence to those that are kept and to each other, causally: `qkv` (B, T, 3C) as GPT-2's
 * `c_attn` gives it, `lengths` (B) u32, how many tokens each row of `kept` holds → (B, T, C). The new keys and values are put
 * behind the others; `advance` says afterwards that they are there. No gradients.
 *
 * @throws {WeftError} when shapes do not agree.
 */
export function cachedAttention(qkv: Tensor, kept: KeysAndValues, lengths: Tensor): Tensor {
  const { gpu, dtype } = qkv, { B, T, H, S, D, VECTORS } = sizesOf("cachedAttention", qkv, kept);
  expectShape("cachedAttention", { lengths }, [kept.keys.shape[0]]);
  expectShape("cachedAttention", { qkv }, [lengths.size, T, 3 * H * D]);
  const PARTS = gpu.isCpu ? 8 : 32, queries = B * T * H;
  const sums = empty(gpu, [queries, PARTS, 1 + VECTORS, 4], { label: "parts of cached attention" });
  const constants = { HEAD_DIM: D, VECTORS, PARTS }, params = { T, heads: H, S, scale: 1 / Math.sqrt(D) };
  run(shader, "attend", { qkv, lengths, ...kept, sums }, {
    workgroups: queries,
    loops: Math.ceil((S + T) / PARTS) * (VECTORS <= 8 ? 1 : 2 * VECTORS + 3) + 4 * VECTORS,
    flops: 4 * queries * D * S, // when the cache is full
    params: { ...params, count: queries },
    constants,
  });
  const o = empty(gpu, [B, T, H * D], { dtype, label: "attention output" }), count = queries * VECTORS;
  run(shader, "combine", { qkv, lengths, sums_in: sums, o, kept_keys: kept.keys, kept_values: kept.values }, {
    threads: count,
    params: { ...params, count },
    constants,
  });
  return o;
}

/**
 * Keeps the keys and values of sequences from their beginning on: `qkv` (n, T, 3C), `rows` (n) u32, the row of `kept` that each
 * goes to.
 *
 * @throws {WeftError} when shapes do not agree.
 */
export function storeKeysAndValues(qkv: Tensor, kept: KeysAndValues, rows: Tensor): void {
  const { B, T, H, S, D, VECTORS } = sizesOf("storeKeysAndValues", qkv, kept), count = B * T * H * VECTORS;
  expectShape("storeKeysAndValues", { rows }, [B]);
  run(shader, "store", { qkv, rows, kept_keys: kept.keys, kept_values: kept.values }, {
    threads: count,
    params: { T, heads: H, S, count, scale: 0 },
    constants: { HEAD_DIM: D, VECTORS },
  });
}

/** Where T new tokens of each sequence stand: `lengths` (B) u32 → (B · T) u32. */
export function placesAfter(lengths: Tensor, T: number): Tensor {
  if (T === 1) return lengths;
  const places = empty(lengths.gpu, [lengths.size * T], { dtype: "u32", label: "places of tokens" });
  run(shader, "place", { lengths, places }, { threads: places.size, params: counting(T, places.size) });
  return places;
}

/** Adds T to each of `lengths` (B) u32, in place. */
export function advance(lengths: Tensor, T: number): void {
  run(shader, "advance", { advanced: lengths }, { threads: lengths.size, params: counting(T, lengths.size) });
}

function counting(T: number, count: number): Params {
  return { T, heads: 0, S: 0, count, scale: 0 };
}

function sizesOf(
  op: string,
  qkv: Tensor,
  { keys }: KeysAndValues,
): Record<"B" | "T" | "H" | "S" | "D" | "VECTORS", number> {
  const [B, T, width] = qkv.shape, [, H, S, padded] = keys.shape, D = width / 3 / H;
  if (qkv.shape.length !== 3 || 4 * Math.ceil(D / 4) !== padded || !Number.isInteger(D)) {
    throw new WeftError(
      `Cannot run ${op} as qkv is ${formatShape(qkv.shape)} and the keys are ${
        formatShape(keys.shape)
      }: they must be ` +
        `(B, T, 3 · H · D) and (rows, H, S, D)`,
    );
  }
  return { B, T, H, S, D, VECTORS: padded / 4 };
}
