import type { Trial } from "../choices.ts";
import type { Gpu } from "../gpu.ts";
import type { DType } from "../host_tensor.ts";
import { randomNormals } from "../random.ts";
import { readTensors, type Tensor, tensor } from "../tensor.ts";
import { attentionInFloat64 } from "./attention_reference.ts";

/** What the tuner asks: on which adapter, of which type and sizes, with a mask or without. */
interface AttentionQuestion {
  readonly gpu: Gpu;
  readonly dtype: DType;
  readonly sizes: {
    readonly B: number;
    readonly H: number;
    readonly Tq: number;
    readonly Tk: number;
    readonly D: number;
  };
  readonly causal: boolean;
}

/** An output, and how the gradients of queries, keys and values come from its own. */
type Attended = { readonly o: Tensor; readonly gradients: (dO: Tensor) => Tensor[] };

/** Forward and backward on random numbers, compared with float64 in the last head. */
export function attentionTrial(
  { gpu, dtype, sizes: { B, H, Tq, Tk, D }, causal }: AttentionQuestion,
  attend: (variant: string, q: Tensor, k: Tensor, v: Tensor) => Attended,
): Trial {
  const [q, k, v, dO] = [Tq, Tk, Tk, Tq].map((T, stream) => {
    const values = randomNormals(B * H * T * D, { seed: 1, stream });
    const stored = dtype === "f16" ? new Float16Array(values) : values;
    return { last: stored.slice(-T * D), tensor: tensor(gpu, stored, [B, H, T, D], { dtype }) };
  });
  return {
    tolerance: dtype === "f16" ? 4e-3 : 1e-4,
    run: (variant) => {
      const { o, gradients } = attend(variant, q.tensor, k.tensor, v.tensor), results = [o, ...gradients(dO.tensor)];
      return {
        read: async () => {
          const parts = (await readTensors(results)).map(({ data }, i) => data.slice(-(i < 2 ? Tq : Tk) * D));
          return Float32Array.from(parts.flatMap((part) => [...part]));
        },
      };
    },
    error: (result) => errorOf(result, attentionInFloat64(q.last, k.last, v.last, dO.last, { Tq, Tk, D, causal })),
  };
}

/** The same with queries, keys and values side by side. */
export function packedTrial(
  { gpu, dtype, sizes: { B, H, Tq: T, D }, causal }: AttentionQuestion,
  attend: (variant: string, qkv: Tensor) => Attended,
): Trial {
  const C = H * D;
  const [qkv, dO] = [3 * C, C].map((width, stream) => {
    const values = randomNormals(B * T * width, { seed: 1, stream });
    const stored = dtype === "f16" ? new Float16Array(values) : values;
    return { stored, tensor: tensor(gpu, stored, [B, T, width], { dtype }) };
  });
  /** The last head of the last sequence in the part of C from `first` on. */
  const last = (data: ArrayLike<number>, first = 0): Float32Array => {
    const width = data.length / (B * T);
    return Float32Array.from(
      { length: T * D },
      (_, i) => data[((B - 1) * T + Math.floor(i / D)) * width + first + C - D + i % D],
    );
  };
  const parts = [0, C, 2 * C];
  return {
    tolerance: dtype === "f16" ? 4e-3 : 1e-4,
    run: (variant) => {
      const { o, gradients } = attend(variant, qkv.tensor), results = [o, ...gradients(dO.tensor)];
      return {
        read: async () => {
          const [of, dqkv] = (await readTensors(results)).map(({ data }) => data);
          return Float32Array.from([last(of), ...parts.map((first) => last(dqkv, first))].flatMap((part) => [...part]));
        },
      };
    },
    error: (result) => {
      const [q, k, v] = parts.map((first) => last(qkv.stored, first));
      return errorOf(result, attentionInFloat64(q, k, v, last(dO.stored), { Tq: T, Tk: T, D, causal }));
    },
  };
}

function errorOf(result: Float32Array, expected: ArrayLike<number>): number {
  let off = 0, size = 0;
  for (let i = 0; i < expected.length; i++) {
    off += (result[i] - expected[i]) ** 2;
    size += expected[i] ** 2;
  }
  return Math.sqrt(off / size);
}
