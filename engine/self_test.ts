import subgroupsSource from "../shaders/self_test_subgroups.wgsl" with { type: "text" };
import source from "../shaders/self_test.wgsl" with { type: "text" };
import type { BufferPool, Storage } from "./buffer_pool.ts";
import { defineShader, type KernelCache } from "./kernel.ts";
import { pcg4d } from "./random.ts";
import type { Recorder } from "./recorder.ts";
import { castShader } from "./shader_parts.ts";
import { WeftError } from "./weft_error.ts";

const shader = defineShader("self_test.wgsl", source);
const subgroups = defineShader("self_test_subgroups.wgsl", subgroupsSource);

// What is cast to f16, and what must come of it: ties go to even numbers, and what is too large becomes infinite.
const casts = [
  ...[[1, 1], [-0.1, -0.0999755859375], [2049, 2048], [2051, 2052]],
  ...[[65519, 65504], [65520, Infinity], [-1e9, -Infinity], [6e-8, 2 ** -24]],
] as const;

/** What the self-test needs of an open GPU. */
export interface SelfTestTarget {
  /** The device. */
  readonly device: GPUDevice;
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
 * over a register array, and the transcendental functions. Drivers that compute wrongly, or write zeros, exist. Returns
 * whether the adapter has f16 and converts to it as it should, and whether the eight invocations of a workgroup are one
 * subgroup that can pass values on.
 *
 * @throws {WeftError} naming the first wrong answer.
 */
export async function selfTest(gpu: SelfTestTarget): Promise<{ hasF16: boolean; hasSubgroupsOf8: boolean }> {
  const lanes = 64;
  const out = gpu.pool.take(lanes * 16, "self-test");
  gpu.recorder.dispatch(gpu.kernels.get(shader, "main", ["out"]), [out], [], {}, [1]);
  const f32 = gpu.pool.take(casts.length * 4, "self-test of f16"),
    f16 = gpu.pool.take(casts.length * 2, "self-test of f16");
  const converts = gpu.device.features.has("shader-f16");
  if (converts) {
    gpu.device.queue.writeBuffer(f32.buffer, 0, new Float32Array(casts.map(([from]) => from)));
    const kernel = gpu.kernels.get(castShader, "main", ["x", "out"], {}, [false, true]);
    gpu.recorder.dispatch(kernel, [f32, f16], [], { size: casts.length }, [1]);
  }
  const shuffled = gpu.pool.take(8 * 16, "self-test of subgroups");
  const shuffles = gpu.device.features.has("subgroups" as GPUFeatureName);
  if (shuffles) gpu.recorder.dispatch(gpu.kernels.get(subgroups, "main", ["out"]), [shuffled], [], {}, [1]);
  const parts = [{ storage: shuffled, bytes: 8 * 16 }, { storage: out, bytes: lanes * 16 }, {
    storage: f16,
    bytes: casts.length * 2,
  }];
  const [lanesOf8, bytes, halves] = await gpu.readStorages(parts);
  for (const storage of [out, f32, f16, shuffled]) gpu.pool.give(storage);
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
  const converted = new Float16Array(halves), passed = new Uint32Array(lanesOf8);
  const square = (lane: number): number => 100 + lane * lane;
  return {
    hasF16: converts && casts.every(([_, to], i) => converted[i] === to),
    hasSubgroupsOf8: shuffles &&
      passed.every((value, i) => value === [8, i >> 2, square(i >> 2 ^ 3), square(5)][i % 4]),
  };
}
