import source from "../../shaders/matmul.wgsl" with { type: "text" };
import packSource from "../../shaders/pack.wgsl" with { type: "text" };
import { defineShader } from "../kernel.ts";
import { run } from "../run.ts";
import { record } from "../scope.ts";
import { broadcastShapes, formatShape, sameShape, sizeOf, stridesOf } from "../shape.ts";
import { empty, type Tensor } from "../tensor.ts";
import { WeftError } from "../weft_error.ts";
import { expand, reshape } from "./layout.ts";
import { sumTo } from "./reduce.ts";
import { stridedCopy } from "./strided_copy.ts";

const shader = defineShader("matmul.wgsl", source);
const packShader = defineShader("pack.wgsl", packSource);

/** Which operands of a matrix product are transposed. */
export interface MatmulOptions {
  /** Whether `a` is (…, K, M). */
  readonly transposeA?: boolean;
  /** Whether `b` is (…, N, K). */
  readonly transposeB?: boolean;
}

/**
 * Matrix product `A · B` over the last two dimensions: (…, M, K) · (…, K, N) → (…, M, N). Leading dimensions are
 * batches, which broadcast. Gradients: `dA = dC · Bᵀ`, `dB = Aᵀ · dC`, summed over batches that share an operand.
 *
 * @throws {WeftError} when the inner dimensions differ, or the batches do not broadcast.
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  const { transposeA = false, transposeB = false } = options;
  for (const [name, operand] of [["a", a], ["b", b]] as const) {
    if (operand.shape.length < 2 || operand.dtype !== "f32") {
      throw new WeftError(
        `Cannot run matmul as ${name} is ${operand.dtype} ${formatShape(operand.shape)}: it must be f32 with 2 or ` +
          `more dimensions`,
      );
    }
  }
  const K = a.shape.at(transposeA ? -2 : -1)!;
  if (K !== b.shape.at(transposeB ? -1 : -2)) {
    throw new WeftError(
      `Cannot run matmul as a is ${formatShape(a.shape)}${transposeA ? " transposed" : ""} and b is ` +
        `${formatShape(b.shape)}${transposeB ? " transposed" : ""}: the inner dimensions must agree`,
    );
  }
  if (b.shape.length === 2 && a.shape.length > 2 && !transposeA) {
    // One matrix for all batches: they are rows of a single product.
    const folded = matmul(reshape(a, [-1, K]), b, options);
    return reshape(folded, [...a.shape.slice(0, -1), folded.shape[1]]);
  }
  const batch = broadcastShapes("matmul", a.shape.slice(0, -2), b.shape.slice(0, -2));
  return batchedMatmul(spread(a, batch), spread(b, batch), batch, transposeA, transposeB);
}

/** An operand of one batch, or with the batch dimensions of the result: what the kernel can step through. */
function spread(x: Tensor, batch: readonly number[]): Tensor {
  const own = x.shape.slice(0, -2);
  return sizeOf(own) === 1 || sameShape(own, batch) ? x : expand(x, [...batch, ...x.shape.slice(-2)]);
}

function batchedMatmul(a: Tensor, b: Tensor, batch: readonly number[], tA: boolean, tB: boolean): Tensor {
  return record(multiply(a, b, batch, tA, tB), [a, b], (dc) => [
    a.requiresGrad
      ? sumTo(tA ? multiply(b, dc, batch, tB, true) : multiply(dc, b, batch, false, !tB), a.shape)
      : undefined,
    b.requiresGrad
      ? sumTo(tB ? multiply(dc, a, batch, true, tA) : multiply(a, dc, batch, !tA, false), b.shape)
      : undefined,
  ]);
}

/** The product without a tape. Operands have the batch dimensions, or one batch that all share. */
function multiply(
  a: Tensor,
  b: Tensor,
  batch: readonly number[],
  transposeA: boolean,
  transposeB: boolean,
): Tensor {
  const { gpu } = a;
  const M = a.shape.at(transposeA ? -1 : -2)!, K = a.shape.at(transposeA ? -2 : -1)!;
  const N = b.shape.at(transposeB ? -2 : -1)!;
  const tile = gpu.isCpu ? cpuTile : gpuTile;
  const paddedM = Math.max(tile.ROWS, Math.ceil(M / 4) * 4),
    paddedN = Math.max(4 * tile.COLUMNS, Math.ceil(N / 4) * 4);
  const c = empty(gpu, [...batch, paddedM, paddedN], { label: "matmul output" });
  const tiles_m = Math.ceil(paddedM / (tile.ROWS * tile.LANES_M));
  const tiles_n = Math.ceil(paddedN / (4 * tile.COLUMNS * tile.LANES_N));
  const workgroups = sizeOf(batch) * tiles_m * tiles_n;
  run(shader, "main", {
    a: kMajor(a, M, paddedM, K, transposeA),
    b: kMajor(b, N, paddedN, K, !transposeB),
    c,
  }, {
    workgroups,
    loops: K,
    params: {
      M: paddedM,
      N: paddedN,
      K,
      tiles_m,
      tiles_n,
      a_batch: a.size === M * K ? 0 : paddedM * K / 4,
      b_batch: b.size === N * K ? 0 : paddedN * K / 4,
      workgroups,
    },
    constants: tile,
  });
  if (paddedM === M && paddedN === N) return c;
  return stridedCopy("matmul", c, [...batch, M, N], stridesOf(c.shape), 0);
}

/** Register tiles: a CPU adapter runs 8 lanes as one vector and wants large ones; a GPU wants full subgroups. */
const cpuTile = { ROWS: 16, COLUMNS: 2, LANES_N: 8, LANES_M: 1 };
const gpuTile = { ROWS: 8, COLUMNS: 1, LANES_N: 16, LANES_M: 4 };

/** The operand as (…, K, padded rows): itself where it lies so, otherwise a packed copy. */
function kMajor(x: Tensor, rows: number, padded: number, K: number, isKMajor: boolean): Tensor {
  if (isKMajor && rows === padded) return x;
  const vectors = padded / 4, batches = x.size / Math.max(1, rows * K), size = batches * K * vectors;
  const packed = empty(x.gpu, [batches, K, padded], { label: "packed operand of matmul" });
  const [step_m, step_k] = isKMajor ? [1, rows] : [K, 1];
  run(packShader, "main", { x, packed }, {
    threads: size,
    params: { M: rows, K, vectors, step_m, step_k, size },
  });
  return packed;
}
