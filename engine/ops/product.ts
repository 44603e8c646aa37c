import registersSource from "../../shaders/matmul_registers.wgsl" with { type: "text" };
import quadsSource from "../../shaders/matmul_quads.wgsl" with { type: "text" };
import fewRowsSource from "../../shaders/matmul_few_rows.wgsl" with { type: "text" };
import vectorSource from "../../shaders/matmul_vector.wgsl" with { type: "text" };
import workgroupSource from "../../shaders/matmul_workgroup.wgsl" with { type: "text" };
import type { Trial } from "../choices.ts";
import type { Gpu } from "../gpu.ts";
import { type Constants, defineShader, type Params, type Shader } from "../kernel.ts";
import { bytesPerElement, type DType } from "../host_tensor.ts";
import { partOf, stretchesOf } from "../parts.ts";
import { run } from "../run.ts";
import { epilogues, workgroup } from "../shader_parts.ts";
import { Scope } from "../scope.ts";
import { empty, type Tensor, tensor } from "../tensor.ts";
import { inTurns, tickets } from "../turns.ts";
import { WeftError } from "../weft_error.ts";

import { accumulate } from "./binary.ts";
import { sumInto } from "./reduce.ts";
import { copyPart } from "./strided_copy.ts";

/** A file of tiles for results whose rows are multiples of 4 elements, and for others. */
interface Tiles {
  readonly vectors: Shader;
  readonly elements: Shader;
}
const defineTiles = (name: string, source: string, parts: readonly Shader[] = []): Tiles => ({
  vectors: defineShader(name, source, [epilogues.vectors, workgroup, ...parts]),
  elements: defineShader(name, source, [epilogues.elements, workgroup, ...parts]),
});
const registers = defineTiles("matmul_registers.wgsl", registersSource);
const vector = defineTiles("matmul_vector.wgsl", vectorSource);
const fewRows = defineTiles("matmul_few_rows.wgsl", fewRowsSource);
const quads = defineTiles("matmul_quads.wgsl", quadsSource, [tickets]);
const workgroupTiles = defineTiles("matmul_workgroup.wgsl", workgroupSource);

/** A matrix inside a tensor, in elements: where the next row (of `a`) or column (of `b`), and the next k, lie. */
export interface Operand {
  /** The memory. */
  readonly tensor: Tensor;
  /** Where the first element lies. Default: 0. */
  readonly offset?: number;
  /** Step from one row of `a`, or column of `b`, to the next. */
  readonly step: number;
  /** Step from one k to the next. */
  readonly k: number;
  /** Step from one batch to the next; 0 where all share one. */
  readonly batch: number;
}

/**
 * What a product does besides, before it stores: `c = residual + dropout(gelu(A · B + bias))`, each part if it is there.
 * Where `largerThanBinding`, without dropout; and where it is B, with nothing.
 */
export interface Epilogue {
  /** (N), added to each row. */
  readonly bias?: Tensor;
  /** Applies GELU. */
  readonly gelu?: "tanh" | "erf";
  /** (batch, M, N): receives what GELU is applied to. */
  readonly pre?: Tensor;
  /** (batch, M, N), added last. */
  readonly residual?: Tensor;
  /** In the place of a residual: the input (batch, M, N) of a GELU whose slope multiplies last, and the form of that. */
  readonly slope?: { readonly pre: Tensor; readonly form: "tanh" | "erf" };
  /** As `dropoutParams` gives it. */
  readonly dropout?: {
    readonly drop: number;
    readonly seed: number;
    readonly seed_high: number;
    readonly counter: number;
  };
}

/** C = A · B, batched: C[m, n] = Σ_k A[m, k] · B[k, n]. */
export interface Product {
  /** Rows of A and C. */
  readonly M: number;
  /** Columns of B and C. */
  readonly N: number;
  /** Columns of A, rows of B. */
  readonly K: number;
  /** Number of products. */
  readonly batch: number;
  /** A. */
  readonly a: Operand;
  /** B. */
  readonly b: Operand;
}

/**
 * The ways to compute a product: register tiles; those of subgroups of eight, which take four k at a time and whose lanes pass rows
 * of A on; one row at a time, with sums shared by the lanes of a workgroup or not; tiles in workgroup memory of 64 or 128 each
 * way, with the sum over k in one part or several, which are added in a second pass.
 */
export const productVariants = [
  "registers",
  "quads",
  "vector",
  "vector, shared",
  "workgroup 1×1",
  "workgroup 1×2",
  "workgroup 2×1",
  "workgroup 2×2",
  "workgroup 1×1, 4 parts",
  "workgroup 2×2, 4 parts",
  "workgroup 2×2, 16 parts",
] as const;

/** One of the ways to compute a product. */
export type ProductVariant = typeof productVariants[number];

/**
 * Writes the product into `c` (batch, M, N). The operands, `pre` and the residual are of one type, f32 or f16; `c` and the bias
 * may be of another. Not recorded.
 */
export function product(c: Tensor, spec: Product, epilogue: Epilogue = {}): void {
  using _ = new Scope(c.gpu); // copies and parts die here, not with the activations
  const large = largerThanBinding(c.gpu, c.dtype, spec);
  if (large) return productInParts(c, spec, epilogue, large);
  const variant = variantOf(c.gpu, spec), parts = Number(/(\d+) parts/.exec(variant)?.[1] ?? 1);
  if (parts > 1) return splitProduct(c, spec, epilogue, variant, parts);
  dispatch(c, spec, epilogue, variant);
}

function dispatch(c: Tensor, spec: Product, epilogue: Epilogue, variant: ProductVariant, K_last = spec.K): void {
  const { M, N, K, batch, a, b } = spec, { gpu } = c;
  const { flags, mask, tensors: ends } = ending(c, a.tensor, epilogue);
  const ofA = { a_offset: a.offset ?? 0, a_batch: a.batch, a_m: a.step, a_k: a.k };
  const ofB = { b_offset: b.offset ?? 0, b_batch: b.batch, b_n: b.step, b_k: b.k };
  const start = (tile: readonly [number, number], tiles: Tiles, entry: string, launch: {
    operands?: Readonly<Record<string, Tensor>>;
    constants: Constants;
    params?: (tiles_m: number) => Params;
    loops?: number;
    takesTurns?: boolean;
  }): void => {
    const tiles_m = Math.ceil(M / tile[0]), tiles_n = Math.ceil(N / tile[1]), workgroups = batch * tiles_m * tiles_n;
    const { operands = { a: a.tensor, a4: a.tensor, b: b.tensor, b4: b.tensor }, loops } = launch;
    const turns = launch.takesTurns ? inTurns(gpu, workgroups, loops!) : undefined;
    run(N % 4 === 0 ? tiles.vectors : tiles.elements, entry, { ...operands, ...ends, ...turns?.tensors }, {
      workgroups: turns?.workgroups ?? workgroups,
      loops,
      flops: 2 * M * N * ((batch - 1) * K + K_last),
      params: {
        ...{ M, N, K, ...mask, tiles_n, workgroups, ...turns && { share: turns.share } },
        ...launch.params?.(tiles_m) ?? { ...ofA, ...ofB, tiles_m },
      },
      constants: { ...flags, ...launch.constants },
    });
  };
  const aVec4 = isVec4(a, a.step, a.k, M), bVec4 = isVec4(b, b.step, b.k, N);
  const aAlongK = isVec4(a, a.k, a.step, K), bAlongK = isVec4(b, b.k, b.step, K);
  const A_LOAD = aAlongK ? 2 : aVec4 ? 1 : 0, B_LOAD = bAlongK ? 2 : bVec4 ? 1 : 0;
  if (variant === "quads") {
    const constants = { A_LOAD, B_LOAD, TAIL: K % 4 === 0 ? 0 : 1 };
    start([16, 32], quads, "main", { constants, loops: Math.ceil(K / 4), takesTurns: true });
  } else if (variant === "registers") {
    start([32, 128], registers, "main", { constants: { A_VEC4: aVec4 ? 1 : 0, B_VEC4: bVec4 ? 1 : 0 }, loops: K });
  } else if (variant === "vector" && suitsFewRows(gpu, spec) && (bVec4 || bAlongK)) {
    const ROWS = Math.min(M, 8), most = ROWS > 1 ? Math.floor(12 / ROWS) : 6, cores = navigator.hardwareConcurrency;
    const QUADS = Math.max(1, Math.min(most, Math.floor(N / (32 * cores))));
    start([ROWS, 32 * QUADS], fewRows, "main", {
      operands: { a: a.tensor, b: b.tensor },
      constants: { ROWS, QUADS, TRANSPOSED: bVec4 ? 0 : 1 },
      params: () => ({ a_offset: a.offset ?? 0, a_m: a.step, b_offset: b.offset ?? 0, b_step: bVec4 ? b.k : b.step }),
      loops: K,
    });
  } else if (variant === "vector" || variant === "vector, shared") {
    const shared = variant === "vector, shared", LANES = shared ? 16 : gpu.isCpu ? 8 : 64;
    const constants = {
      B_VEC4: bVec4 ? 1 : 0,
      K_VEC4: aAlongK && bAlongK ? 1 : 0,
      LANES,
      ...shared ? { LANES_K: 16 } : {},
    };
    const params = () => ({ ...ofA, ...ofB }), loops = shared ? undefined : K;
    start([1, 4 * LANES], vector, shared ? "split" : "main", { constants, params, loops });
  } else {
    const [BLOCKS_M, BLOCKS_N] = /(\d)×(\d)/.exec(variant)!.slice(1).map(Number);
    start([64 * BLOCKS_M, 64 * BLOCKS_N], workgroupTiles, "main", {
      constants: { BLOCKS_M, BLOCKS_N, A_LOAD, B_LOAD },
      params: (tiles_m) => ({ ...ofA, ...ofB, tiles_m, K_last }),
    });
  }
}

/** What epilogue.wgsl takes: tensors, overrides and the key of dropout. */
function ending(
  c: Tensor,
  a: Tensor,
  { bias, gelu, pre, residual, slope, dropout }: Epilogue,
): { tensors: Record<string, Tensor>; flags: Constants; mask: Params } {
  const on = (part: unknown) => part ? 1 : 0, unused = { dtype: a.dtype, label: "unused output" };
  return {
    tensors: { c, pre: pre ?? empty(c.gpu, [1], unused), other: residual ?? slope?.pre ?? a, bias: bias ?? a },
    flags: {
      ...{ BIAS: on(bias), GELU: on(gelu), TANH: on((gelu ?? slope?.form) === "tanh"), KEEP_PRE: on(pre) },
      ...{ RESIDUAL: on(residual), SLOPE: on(slope), DROPOUT: on(dropout) },
    },
    mask: { ...dropout ?? { drop: 0, seed: 0, seed_high: 0, counter: 0 } },
  };
}

/** Sums over parts of k as if they were a batch, and then adds the parts in their order. */
function splitProduct(c: Tensor, spec: Product, epilogue: Epilogue, variant: ProductVariant, parts: number): void {
  const { M, N, K, a, b } = spec, chunk = Math.ceil(K / parts / 16) * 16, count = Math.ceil(K / chunk);
  const simple = Object.values(epilogue).every((part) => part === undefined);
  if (spec.batch > 1 || count === 1 || !simple) return dispatch(c, spec, epilogue, variant);
  const sums = empty(c.gpu, [count, M, N], { label: "parts of a product" });
  const part = { ...spec, K: chunk, batch: count, a: { ...a, batch: chunk * a.k }, b: { ...b, batch: chunk * b.k } };
  dispatch(sums, part, {}, variant, K - (count - 1) * chunk);
  sumInto(c, sums);
}

/** Which of C and B is larger than a binding, so that the product is computed in parts. */
export function largerThanBinding(gpu: Gpu, dtype: DType, spec: Product): "C" | "B" | undefined {
  if (spec.batch > 1) return undefined;
  if (stretchesOf(gpu, dtype, spec.M, spec.N).length > 1) return "C";
  return stretchesOfB(gpu, spec).length > 1 ? "B" : undefined;
}

function stretchesOfB(gpu: Gpu, { N, K, b }: Product): { first: number; count: number }[] {
  if (b.tensor.size * bytesPerElement(b.tensor.dtype) <= gpu.bindingLimit) return [{ first: 0, count: 0 }];
  const alongN = b.k === 1;
  return stretchesOf(gpu, b.tensor.dtype, alongN ? N : K, alongN ? b.step : b.k);
}

/**
 * Computes a product whose C or B is larger than a binding by stretches of rows of that: those of C as they are; those of B are
 * columns of C, or addends. A vocabulary times the width of a model can be so large.
 */
function productInParts(c: Tensor, spec: Product, epilogue: Epilogue, large: "C" | "B"): void {
  const { M, N, a, b } = spec, { gpu } = c, { bias, gelu, pre, residual, slope, dropout } = epilogue;
  const offset = a.offset ?? 0;
  if (dropout || large === "B" && (bias || gelu || residual || slope)) throw new Error("not done in parts");
  if (large === "C") {
    for (const { first, count } of stretchesOf(gpu, c.dtype, M, N)) {
      const part = (x: Tensor) => partOf(x, first * N, [count, N]);
      product(part(c), { ...spec, M: count, a: { ...a, offset: offset + first * a.step } }, {
        ...{ bias, gelu, pre: pre && part(pre), residual: residual && part(residual) },
        slope: slope && { ...slope, pre: part(slope.pre) },
      });
    }
    return;
  }
  const alongN = b.k === 1, width = alongN ? b.step : b.k;
  for (const { first, count } of stretchesOfB(gpu, spec)) {
    using _ = new Scope(gpu);
    const part = { ...b, tensor: partOf(b.tensor, first * width, [count, width]) };
    if (alongN) {
      const columns = empty(gpu, [M, count], { dtype: c.dtype, label: "columns of a product" });
      product(columns, { ...spec, N: count, b: part });
      const strides = { xStrides: [count, 1], outStrides: [N, 1] };
      copyPart(columns, c, { shape: [M, count], ...strides, xOffset: 0, outOffset: first });
    } else {
      const sum = first === 0 ? c : empty(gpu, c.shape, { dtype: c.dtype, label: "part of a product" });
      product(sum, { ...spec, K: count, a: { ...a, offset: offset + first * a.k }, b: part });
      if (first > 0) accumulate(c, sum);
    }
  }
}

/** Whether vec4s can run along the dimension of this step and size. */
function isVec4({ batch, offset = 0 }: Operand, along: number, across: number, size: number): boolean {
  return along === 1 && across % 4 === 0 && batch % 4 === 0 && offset % 4 === 0 && size % 4 === 0;
}

/** Whether few rows of A can be passed on by the lanes of a subgroup, where that is worth it. */
function suitsFewRows({ isCpu, hasSubgroupsOf8 }: Gpu, { K, batch, a }: Product): boolean {
  return isCpu && hasSubgroupsOf8 && batch === 1 && a.k === 1 && K % 8 === 0;
}

/** The variant for a product: what is forced, what was measured, or what suits the adapter and the rows. */
function variantOf(gpu: Gpu, spec: Product): ProductVariant {
  const { M, N, K, batch, a, b } = spec;
  const { product: forced } = gpu.forced;
  if (forced && !productVariants.some((variant) => variant === forced)) {
    throw new WeftError(`No product is computed by "${forced}": the ways are ${productVariants.join("; ")}`);
  }
  if (forced) return forced === "quads" && !gpu.hasSubgroupsOf8 ? "registers" : forced as ProductVariant;
  let fallback: ProductVariant, candidates: ProductVariant[];
  if (gpu.isCpu) {
    const isSmall = M * N * K <= 2 ** 16; // half a millisecond against seconds of compilation
    const tiles = gpu.hasSubgroupsOf8 ? "quads" : isSmall ? "workgroup 1×1" : "registers";
    fallback = M < 8 ? "vector" : tiles;
    candidates = [tiles];
    if (M < 32) candidates.unshift("vector");
  } else {
    fallback = M < 8 ? "vector, shared" : `workgroup ${M > 64 ? 2 : 1}×${N > 64 ? 2 : 1}`;
    candidates = M < 64
      ? ["vector", "vector, shared", "workgroup 1×1", "workgroup 1×2", "workgroup 1×1, 4 parts"]
      : productVariants.filter((variant) => !variant.startsWith("vector") && variant !== "quads");
  }
  const layout = (a.k === 1 ? "N" : "T") + (b.k === 1 ? "T" : "N");
  const type = a.tensor.dtype === "f16" ? "f16 " : "";
  const key = `product ${type}${layout} ${M}×${N}×${K}${batch > 1 ? ` of ${batch}` : ""}`;
  return gpu.choices.choose(key, fallback, candidates, () => productTrial(gpu, spec));
}

/** The same product of random numbers. */
function productTrial(gpu: Gpu, spec: Product): Trial {
  const { M, N, K, batch } = spec;
  const sample = (like: Operand, rows: number, seed: number) => {
    const { dtype } = like.tensor, size = rows * K * (like.batch === 0 ? 1 : batch);
    const values = dtype === "f16" ? new Float16Array(noise(size, seed)) : noise(size, seed);
    return { values, operand: { ...like, tensor: tensor(gpu, values, [size], { dtype }) } };
  };
  const a = sample(spec.a, M, 1), b = sample(spec.b, N, 2);
  return {
    run: (variant) => {
      const c = empty(gpu, [batch, M, N], { label: "product" }), forced = gpu.forced;
      gpu.forced = { ...forced, product: variant };
      try {
        product(c, { ...spec, a: a.operand, b: b.operand });
      } finally {
        gpu.forced = forced;
      }
      return c;
    },
    error: (result) => {
      let off = 0, size = 0;
      for (let i = 0; i < 64; i++) { // elements all over C, the last one among them
        const at = Math.floor((result.length - 1) * (i / 63)), n = at % N, m = Math.floor(at / N) % M;
        const batch = Math.floor(at / (M * N));
        let sum = 0;
        for (let k = 0; k < K; k++) {
          sum += a.values[batch * spec.a.batch + m * spec.a.step + k * spec.a.k] *
            b.values[batch * spec.b.batch + n * spec.b.step + k * spec.b.k];
        }
        off += (result[at] - sum) ** 2;
        size += sum ** 2;
      }
      return Math.sqrt(off / size);
    },
  };
}

/** Numbers between −1 and 1 without a short period: enough to tell right from wrong, and quick to make. */
function noise(size: number, seed: number): Float32Array<ArrayBuffer> {
  const values = new Float32Array(size);
  for (let i = 0, x = seed; i < size; i++) {
    x = Math.imul(x, 1664525) + 1013904223 | 0;
    values[i] = x / 2 ** 31;
  }
  return values;
}

/**
 * Whether a product's epilogue should hold more than a bias. Not in register tiles: their text is unrolled, and with a
 * residual at each of its 128 stores llvmpipe compiles for 5 s instead of 1.5, to save a hundredth of a step.
 */
export function fusesAll(gpu: Gpu, spec: Product): boolean {
  return variantOf(gpu, spec) !== "registers";
}
