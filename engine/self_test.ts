import source from "../shaders/self_test.wgsl" with { type: "text" };
import type { BufferPool, Storage } from "./buffer_pool.ts";
import { defineShader, type KernelCache } from "./kernel.ts";
import { pcg4d } from "./random.ts";
import type { Recorder } from "./recorder.ts";
import { WeftError } from "./weft_error.ts";

const shader = defineShader("self_test.wgsl", source);

/** What the self-test needs of an open GPU. */
export interface SelfTestTarget {
  /** Buffers. */
  readonly pool: BufferPool;
  /** Commands. */
  readonly recorder: Recorder;
  /** Pipelines. */
  readonly kernels: KernelCache;
  /** Reads buffers back. */
  readStorages(parts: readonly { storage: Storage; bytes: number }[]): Promise<ArrayBuffer[]>;
}

/**
 * Runs one small kernel whose answers are known: integer arithmetic, a reduction through workgroup memory, a loop
 * over a register array, and the transcendental functions. Drivers that compute wrongly, or write zeros, exist.
 *
 * @throws {WeftError} naming the first wrong answer.
 */
export async function selfTest(gpu: SelfTestTarget): Promise<void> {
  const lanes = 64;
  const out = gpu.pool.take(lanes * 16, "self-test");
  gpu.recorder.dispatch(gpu.kernels.get(shader, "main", ["out"]), [out], {}, [1]);
  const [bytes] = await gpu.readStorages([{ storage: out, bytes: lanes * 16 }]);
  gpu.pool.give(out);
  const integers = new Uint32Array(bytes), floats = new Float32Array(bytes);
  for (let lane = 0; lane < lanes; lane++) {
    const x = (lane - 32) / 8;
    const checks = [
      ["integer hash", integers[lane * 4], pcg4d(lane, 1, 2, 3)[0], 0],
      ["sum over the workgroup", floats[lane * 4 + 1], lanes * (lanes - 1) / 2 + lane, 0],
      [
        "matrix product",
        floats[lane * 4 + 2],
        [0, 1, 2, 3].reduce((s, k) => s + (lane + k) * (k * 4 + lane % 4), 0),
        0,
      ],
      ["exp and tanh", floats[lane * 4 + 3], Math.exp(x) + Math.tanh(x), 1e-4],
    ] as const;
    for (const [what, got, want, tolerance] of checks) {
      if (!(Math.abs(got - want) <= tolerance * Math.max(1, Math.abs(want)))) {
        throw new WeftError(
          `The GPU computes wrongly: self-test "${what}" gave ${got} where ${want} is right (lane ${lane}); ` +
            `update its driver, or choose another adapter`,
        );
      }
    }
  }
}
