import { Arena } from "../engine/arena.ts";
import type { Gpu } from "../engine/gpu.ts";
import {
  advance,
  cachedAttention,
  type KeysAndValues,
  keysAndValues,
  placesAfter,
  storeKeysAndValues,
} from "../engine/ops/cached_attention.ts";
import { bytesPerElement } from "../engine/host_tensor.ts";
import { Scope } from "../engine/scope.ts";
import { empty, type Tensor, tensor, zeros } from "../engine/tensor.ts";
import { WeftError } from "../engine/weft_error.ts";

/** What a cache has room for. */
export interface KvCacheSize {
  /** Sequences. */
  readonly rows: number;
  /** Layers of the model. */
  readonly layers: number;
  /** Heads of a layer. */
  readonly heads: number;
  /** Elements of a head. */
  readonly headDim: number;
  /** Tokens of a sequence. */
  readonly tokens: number;
  /** How keys and values are stored. */
  readonly dtype: "f32" | "f16";
}

/**
 * The keys and values of every token that a model has seen, on the GPU, so that the next token needs no other work than its own.
 * How many tokens each row holds is known twice: on the GPU, where kernels read it, so that nothing that is bound changes from
 * token to token, and here.
 *
 * `model.newCache(rows)` makes one; `model.forward(ids, { cache, rows })` begins sequences in it and
 * `model.forward(ids, { cache })` continues them.
 */
export class KvCache {
  /** Its sizes. */
  readonly size: KvCacheSize;
  /** Matrices of a model that computes in f16: cast once, and not for each token. */
  readonly matrices: Map<string, Tensor> = new Map();
  /** Memory that is given back with the cache. */
  readonly arena: Arena;
  #gpu: Gpu;
  #layers: KeysAndValues[];
  #onGpu: Tensor;
  #lengths: number[];

  /** An empty cache. */
  constructor(gpu: Gpu, size: KvCacheSize) {
    this.size = size;
    this.#gpu = gpu;
    this.arena = new Arena(gpu);
    this.#lengths = new Array(size.rows).fill(0);
    const shape = { rows: size.rows, H: size.heads, S: size.tokens, D: size.headDim };
    [this.#onGpu, this.#layers] = this.arena.hold(() => [
      zeros(gpu, [size.rows], { dtype: "u32", label: "lengths" }),
      Array.from({ length: size.layers }, () => keysAndValues(gpu, shape, size.dtype)),
    ]);
  }

  /** How many tokens each row holds. */
  get lengths(): readonly number[] {
    return this.#lengths;
  }

  /** Says how many tokens rows hold: fewer than before forgets the last ones. */
  setLengths(lengths: readonly number[]): void {
    const { rows, tokens } = this.size;
    if (lengths.length !== rows || lengths.some((length) => !(length >= 0 && length <= tokens))) {
      throw new WeftError(`Cannot set the lengths ${lengths.join(", ")}: there are ${rows} rows of up to ${tokens}`);
    }
    this.#lengths = [...lengths];
    this.#gpu.recorder.submit(); // copies do not count as uses
    this.#gpu.write(this.#onGpu.storage, new Uint32Array(lengths));
  }

  /** Where `T` new tokens of each row stand: (B · T) u32. */
  places(T: number): Tensor {
    return placesAfter(this.#onGpu, T);
  }

  /** Attention of new tokens in one layer, and their keys and values kept: `qkv` (B, T, 3C) → (B, T, C). */
  attend(layer: number, qkv: Tensor): Tensor {
    return cachedAttention(qkv, this.#layers[layer], this.#onGpu);
  }

  /** Keeps keys and values of sequences from their first token on: `qkv` (n, T, 3C) for these rows. */
  store(layer: number, qkv: Tensor, rows: Tensor): void {
    storeKeysAndValues(qkv, this.#layers[layer], rows);
  }

  /** Says that each row has `T` tokens more, as the model does when all layers have seen them. */
  advance(T: number): void {
    advance(this.#onGpu, T);
    this.#lengths = this.#lengths.map((length) => length + T);
  }

  /** Gives each row what another row holds: row i what was in row `parents[i]`. */
  reorder(parents: readonly number[]): void {
    const { rows } = this.size, { recorder } = this.#gpu;
    const moved = [...parents.keys()].filter((row) => parents[row] !== row);
    if (moved.length === 0) return;
    using _ = new Scope(this.#gpu);
    for (const part of this.#layers.flatMap(({ keys, values }) => [keys, values])) {
      const bytes = part.size / rows * bytesPerElement(part.dtype), { storage } = part;
      const copied = empty(this.#gpu, [moved.length, ...part.shape.slice(1)], {
        dtype: part.dtype,
        label: "moved rows",
      });
      moved.forEach((row, i) => recorder.copy(storage, parents[row] * bytes, copied.storage, i * bytes, bytes));
      moved.forEach((row, i) => recorder.copy(copied.storage, i * bytes, storage, row * bytes, bytes));
    }
    this.setLengths(parents.map((parent) => this.#lengths[parent]));
  }

  /** Gives the memory back. */
  free(): void {
    this.matrices.clear();
    this.arena.free();
  }
}

/** Numbers of rows as kernels read them. */
export function rowNumbers(gpu: Gpu, rows: readonly number[]): Tensor {
  return tensor(gpu, new Uint32Array(rows), [rows.length], { label: "rows" });
}
