import { pcg4d } from "../mod.ts";
import { type Nd, nd } from "./_check_op.ts";

// Plain float64 versions of the operations, written from their definitions.

/** Coordinates of a flat index. */
export function coordinates(shape: readonly number[], index: number): number[] {
  const at = new Array<number>(shape.length);
  for (let d = shape.length - 1; d >= 0; d--) {
    at[d] = index % shape[d];
    index = Math.floor(index / shape[d]);
  }
  return at;
}

/** Flat index of coordinates, where dimensions of size 1 are stretched and missing ones ignored. */
export function flatIndex(shape: readonly number[], at: readonly number[]): number {
  let index = 0;
  const skip = at.length - shape.length;
  shape.forEach((extent, d) => index = index * extent + (extent === 1 ? 0 : at[d + skip]));
  return index;
}

export function map(x: Nd, f: (value: number) => number): Nd {
  return nd(x.shape, (i) => f(x.data[i]));
}

export function zip(a: Nd, b: Nd, f: (m: number, n: number) => number): Nd {
  const rank = Math.max(a.shape.length, b.shape.length);
  const shape = Array.from({ length: rank }, (_, d) => {
    const [m, n] = [a, b].map(({ shape }) => shape[d - rank + shape.length] ?? 1);
    return m === 1 ? n : m;
  });
  return nd(shape, (i) => {
    const at = coordinates(shape, i);
    return f(a.data[flatIndex(a.shape, at)], b.data[flatIndex(b.shape, at)]);
  });
}

export function reduce(x: Nd, axes: readonly number[], f: (values: number[]) => number, keep = false): Nd {
  const kept = x.shape.map((extent, axis) => axes.includes(axis) ? 1 : extent);
  const groups = nd(kept, () => 0);
  const values = Array.from(groups.data, () => [] as number[]);
  x.data.forEach((value, i) => values[flatIndex(kept, coordinates(x.shape, i))].push(value));
  const shape = keep ? kept : x.shape.filter((_, axis) => !axes.includes(axis));
  return nd(shape, (i) => f(values[i]));
}

export function permute(x: Nd, order: readonly number[]): Nd {
  const shape = order.map((axis) => x.shape[axis]);
  return nd(shape, (i) => {
    const at = coordinates(shape, i), from = new Array<number>(order.length);
    order.forEach((axis, d) => from[axis] = at[d]);
    return x.data[flatIndex(x.shape, from)];
  });
}

export function slice(x: Nd, axis: number, start: number, end: number): Nd {
  const shape = x.shape.with(axis, end - start);
  return nd(shape, (i) => {
    const at = coordinates(shape, i);
    return x.data[flatIndex(x.shape, at.with(axis, at[axis] + start))];
  });
}

export function concat(parts: readonly Nd[], axis: number): Nd {
  const total = parts.reduce((sum, { shape }) => sum + shape[axis], 0),
    shape = parts[0].shape.with(axis, total);
  return nd(shape, (i) => {
    const at = coordinates(shape, i);
    let k = 0;
    while (at[axis] >= parts[k].shape[axis]) at[axis] -= parts[k++].shape[axis];
    return parts[k].data[flatIndex(parts[k].shape, at)];
  });
}

export function matmul(a: Nd, b: Nd, transposeA = false, transposeB = false): Nd {
  const [A, B] = [transposeA ? swapLast(a) : a, transposeB ? swapLast(b) : b];
  const [M, K, N] = [A.shape.at(-2)!, A.shape.at(-1)!, B.shape.at(-1)!];
  const batch = zip(nd(A.shape.slice(0, -2), () => 0), nd(B.shape.slice(0, -2), () => 0), () => 0).shape;
  return nd([...batch, M, N], (i) => {
    const at = coordinates([...batch, M, N], i), [m, n] = at.slice(-2), lead = at.slice(0, -2);
    const left = batchIndex(A, [...lead, m, 0]), right = batchIndex(B, [...lead, 0, n]);
    let sum = 0;
    for (let k = 0; k < K; k++) sum += A.data[left + k] * B.data[right + k * N];
    return sum;
  });
}

function batchIndex(x: Nd, at: readonly number[]): number {
  const own = x.shape.length, lead = at.length - own;
  let index = 0;
  for (let d = 0; d < own; d++) {
    const c = at[d + lead];
    index = index * x.shape[d] + (d < own - 2 && x.shape[d] === 1 ? 0 : c);
  }
  return index;
}

function swapLast(x: Nd): Nd {
  const order = x.shape.map((_, axis) => axis), r = order.length;
  return permute(x, [...order.slice(0, r - 2), r - 1, r - 2]);
}

/** Applies a function to each row along the last axis. */
export function rows(x: Nd, f: (row: number[], index: number) => number[]): Nd {
  const C = x.shape.at(-1)!, data = new Float64Array(x.data.length);
  for (let r = 0; r * C < x.data.length; r++) data.set(f([...x.data.subarray(r * C, (r + 1) * C)], r), r * C);
  return { shape: x.shape, data };
}

export function softmaxRow(row: readonly number[]): number[] {
  const largest = Math.max(...row), weights = row.map((v) => Math.exp(v - largest));
  const total = weights.reduce((sum, w) => sum + w, 0);
  return weights.map((w) => w / total);
}

export function layerNorm(x: Nd, weight: Nd, bias?: Nd, eps = 1e-5): Nd {
  return rows(x, (row) => {
    const mean = row.reduce((s, v) => s + v, 0) / row.length;
    const variance = row.reduce((s, v) => s + (v - mean) ** 2, 0) / row.length;
    return row.map((v, c) => (v - mean) / Math.sqrt(variance + eps) * weight.data[c] + (bias?.data[c] ?? 0));
  });
}

export function rmsNorm(x: Nd, weight: Nd, bias?: Nd, eps = 1e-5): Nd {
  return rows(x, (row) => {
    const square = row.reduce((s, v) => s + v * v, 0) / row.length;
    return row.map((v, c) => v / Math.sqrt(square + eps) * weight.data[c] + (bias?.data[c] ?? 0));
  });
}

/** What dropout multiplies a draw by, 0 or 1 / (1 − p): a function of the key and of the draw's place. */
export interface Dropout {
  readonly p: number;
  readonly key: { readonly seed: number; readonly counter: number };
}

export function keptOver({ p, key }: Dropout, index: number, word: number): number {
  const words = pcg4d(key.seed % 2 ** 32, Math.floor(key.seed / 2 ** 32), key.counter, index);
  return (words[word] >>> 8) / 2 ** 24 >= Math.fround(p) ? 1 / (1 - p) : 0;
}

export function attention(
  q: Nd,
  k: Nd,
  v: Nd,
  causal: boolean,
  { scale = 1 / Math.sqrt(q.shape[3]), dropout }: { scale?: number; dropout?: Dropout } = {},
): Nd {
  const [B, H, Tq, D] = q.shape, Tk = k.shape[2], out = nd(q.shape, () => 0);
  for (let bh = 0; bh < B * H; bh++) {
    for (let i = 0; i < Tq; i++) {
      const seen = causal ? i + 1 + Tk - Tq : Tk;
      const scores = Array.from({ length: seen }, (_, j) => {
        let s = 0;
        for (let d = 0; d < D; d++) s += q.data[(bh * Tq + i) * D + d] * k.data[(bh * Tk + j) * D + d];
        return s * scale;
      });
      softmaxRow(scores).forEach((p, j) => {
        if (dropout) p *= keptOver(dropout, (bh * Tq + i) * Tk + j, 0);
        for (let d = 0; d < D; d++) out.data[(bh * Tq + i) * D + d] += p * v.data[(bh * Tk + j) * D + d];
      });
    }
  }
  return out;
}

/** Queries, keys and values side by side in (B, T, 3C) → (B, T, C). */
export function selfAttention(qkv: Nd, nHead: number, causal: boolean, dropout?: Dropout): Nd {
  const [B, T, width] = qkv.shape, C = width / 3, D = C / nHead;
  const part = (p: number) =>
    nd([B, nHead, T, D], (i) => {
      const [b, h, t, d] = coordinates([B, nHead, T, D], i);
      return qkv.data[(b * T + t) * width + p * C + h * D + d];
    });
  const o = attention(part(0), part(1), part(2), causal, { dropout });
  return nd([B, T, C], (i) => {
    const [b, t, c] = coordinates([B, T, C], i);
    return o.data[((b * nHead + Math.floor(c / D)) * T + t) * D + c % D];
  });
}

export function crossEntropy(logits: Nd, targets: Nd, ignoreIndex = -100): Nd {
  const C = logits.shape.at(-1)!;
  let sum = 0, count = 0;
  targets.data.forEach((target, r) => {
    if (target === ignoreIndex) return;
    sum -= Math.log(softmaxRow([...logits.data.subarray(r * C, (r + 1) * C)])[target]);
    count++;
  });
  return nd([], () => sum / count);
}

/** The error function by its series, or its continued fraction where that converges faster. */
export function erf(x: number): number {
  const z = Math.abs(x);
  if (z < 3) {
    let term = z, sum = z;
    for (let n = 1; n < 80; n++) {
      term *= -z * z / n;
      sum += term / (2 * n + 1);
    }
    return Math.sign(x) * 2 / Math.sqrt(Math.PI) * sum;
  }
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / 2 / (z + fraction);
  return Math.sign(x) * (1 - Math.exp(-z * z) / ((z + fraction) * Math.sqrt(Math.PI)));
}
