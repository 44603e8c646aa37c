import registersSource from "../shaders/matmul_registers.wgsl" with { type: "text" };
import vectorSource from "../shaders/matmul_vector.wgsl" with { type: "text" };
import workgroupSource from "../shaders/matmul_workgroup.wgsl" with { type: "text" };
import type { Gpu } from "./gpu.ts";
import { type Constants, defineShader } from "./kernel.ts";
import { run } from "./run.ts";
import { epilogue } from "./shader_parts.ts";
import { empty, type Tensor } from "./tensor.ts";
import type { ProductVariant } from "./variants.ts";

const registers = defineShader("matmul_registers.wgsl", registersSource, [epilogue]);
const vector = defineShader("matmul_vector.wgsl", vectorSource, [epilogue]);
const workgroup = defineShader("matmul_workgroup.wgsl", workgroupSource, [epilogue]);

/** A matrix inside a tensor, in elements: where the next row (of `a`) or column (of `b`), and the next k, lie. */
export interface Operand {
  /** The memory. */
  readonly tensor: Tensor;
  /** Step from one row of `a`, or column of `b`, to the next. */
  readonly step: number;
  /** Step from one k to the next. */
  readonly k: number;
  /** Step from one batch to the next; 0 where all share one. */
  readonly batch: number;
}

/** What a product does besides, before it stores: `c = other + dropout(gelu(A · B + bias))`, each part if it is there. */
export interface Epilogue {
  /** (N), added to each row. */
  readonly bias?: Tensor;
  /** Applies GELU. */
  readonly gelu?: "tanh" | "erf";
  /** (batch, M, N): receives what GELU is applied to. */
  readonly pre?: Tensor;
  /** (batch, M, N), added last. */
  readonly residual?: Tensor;
  /** As `dropoutParams` gives it. */
  readonly dropout?: {
    readonly drop: number;
    readonly seed: number;
    readonly seed_high: number;
    readonly counter: number;
  };
}

/** C = A · B of shape (batch, M, N), C[m, n] = Σ_k A[m, k] · B[k, n]. */
export interface Product {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  readonly batch: number;
  readonly a: Operand;
  readonly b: Operand;
  readonly epilogue?: Epilogue;
}

/** Writes the product into `c` (batch, M, N), by the variant that suits it. Not recorded. */
export function product(c: Tensor, { M, N, K, batch, a, b, epilogue = {} }: Product): void {
  const { gpu } = c;
  const variant = variantOf(gpu, M, N);
  const { bias, gelu, pre, residual, dropout } = epilogue;
  const tensors = {
    ...{ a: a.tensor, a4: a.tensor, b: b.tensor, b4: b.tensor, c },
    pre: pre ?? unused(gpu),
    other: residual ?? a.tensor,
    bias: bias ?? a.tensor,
  };
  const flags = {
    ...{ BIAS: bias ? 1 : 0, GELU: gelu ? 1 : 0, TANH: gelu === "tanh" ? 1 : 0, KEEP_PRE: pre ? 1 : 0 },
    ...{ RESIDUAL: residual ? 1 : 0, DROPOUT: dropout ? 1 : 0 },
  };
  const params = {
    ...{ M, N, K, a_offset: 0, a_batch: a.batch, a_m: a.step, a_k: a.k, b_offset: 0, b_batch: b.batch },
    ...{ b_n: b.step, b_k: b.k, ...dropout ?? { drop: 0, seed: 0, seed_high: 0, counter: 0 } },
  };
  const launch = (rows: number, columns: number) => {
    const tiles_m = Math.ceil(M / rows), tiles_n = Math.ceil(N / columns), workgroups = batch * tiles_m * tiles_n;
    return { tiles_m, tiles_n, workgroups };
  };
  if (variant === "vector" || variant === "vector split") {
    const lanes: Constants = variant === "vector" ? { LANES: gpu.isCpu ? 8 : 64 } : { LANES: 16, LANES_K: 16 };
    const { tiles_n, workgroups } = launch(1, 4 * lanes.LANES);
    const kVec4 = isVec4(a, a.k, a.step, K) && isVec4(b, b.k, b.step, K);
    run(vector, variant === "vector" ? "main" : "split", tensors, {
      workgroups,
      loops: kVec4 ? K / 4 : K,
      params: { ...params, tiles_n, workgroups },
      constants: { ...lanes, ...flags, K_VEC4: kVec4 ? 1 : 0, B_VEC4: isVec4(b, b.step, b.k, N) ? 1 : 0 },
    });
  } else if (variant === "registers") {
    const { tiles_m, tiles_n, workgroups } = launch(32, 16 * 8);
    run(registers, "main", tensors, {
      workgroups,
      loops: K,
      params: { ...params, tiles_m, tiles_n, workgroups },
      constants: {
        ...flags,
        A_VEC4: isVec4(a, a.step, a.k, M) ? 1 : 0,
        B_VEC4: isVec4(b, b.step, b.k, N) ? 1 : 0,
      },
    });
  } else {
    const [BLOCKS_M, BLOCKS_N] = variant.slice(-3).split("×").map(Number);
    const { tiles_m, tiles_n, workgroups } = launch(64 * BLOCKS_M, 64 * BLOCKS_N);
    const load = (x: Operand, size: number) => isVec4(x, x.k, x.step, K) ? 2 : isVec4(x, x.step, x.k, size) ? 1 : 0;
    run(workgroup, "main", tensors, {
      workgroups,
      params: { ...params, K_last: K, tiles_m, tiles_n, workgroups },
      constants: { ...flags, BLOCKS_M, BLOCKS_N, A_LOAD: load(a, M), B_LOAD: load(b, N) },
    });
  }
}

/** Whether vec4s can run along the dimension of this step and size. */
function isVec4({ batch }: Operand, along: number, across: number, size: number): boolean {
  return along === 1 && across % 4 === 0 && batch % 4 === 0 && size % 4 === 0;
}

/** The variant for a product: what is forced, or without measurements what suits the adapter and the rows. */
function variantOf(gpu: Gpu, M: number, N: number): ProductVariant {
  if (gpu.productVariant) return gpu.productVariant;
  if (M < 8) return gpu.isCpu ? "vector" : "vector split";
  if (gpu.isCpu) return "registers";
  return `workgroup ${M > 64 ? 2 : 1}×${N > 64 ? 2 : 1}`;
}

/**
 * Whether a product's epilogue may hold GELU and dropout. Not in register tiles: their text is unrolled, and with these
 * functions at each of its 128 stores llvmpipe compiled for 5 s and was no faster.
 */
export function fusesAll(gpu: Gpu, M: number, N: number): boolean {
  return variantOf(gpu, M, N) !== "registers";
}

/** What is bound where an epilogue stores nothing. */
function unused(gpu: Gpu): Tensor {
  return empty(gpu, [1], { label: "unused output" });
}
