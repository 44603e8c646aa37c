import source from "../shaders/peaks.wgsl" with { type: "text" };
import type { Gpu } from "../engine/gpu.ts";
import { defineShader } from "../engine/kernel.ts";
import { run } from "../engine/run.ts";
import { Scope } from "../engine/scope.ts";
import { empty } from "../engine/tensor.ts";

const shader = defineShader("peaks.wgsl", source);

/** Rates that bound every kernel on an adapter, as measured on it. */
export interface Peaks {
  /** f32 operations per second, a multiply-add counted as two. */
  readonly flops: number;
  /** Bytes per second that a copy reads and writes: by a kernel, or by the driver where that is faster. */
  readonly bandwidth: number;
  /** Seconds that a dispatch costs which does nothing. */
  readonly launch: number;
}

/** Measures all three rates; takes about a second. */
export async function measurePeaks(gpu: Gpu): Promise<Peaks> {
  return {
    flops: await measureFlops(gpu),
    bandwidth: await measureBandwidth(gpu),
    launch: await measureLaunch(gpu),
  };
}

/** f32 operations per second, in a loop of independent multiply-adds in registers. */
export async function measureFlops(gpu: Gpu): Promise<number> {
  using _ = new Scope(gpu);
  const threads = gpu.isCpu ? 4096 : 1 << 18, rounds = 256;
  const out = empty(gpu, [threads, 4], { label: "multiply-add output" });
  const perDispatch = 2 * 4 * 24 * rounds * threads;
  const seconds = await secondsEach(gpu, () => {
    run(shader, "multiply_add", { out }, { threads, params: { size: threads, rounds } });
  });
  return perDispatch / seconds;
}

async function measureBandwidth(gpu: Gpu): Promise<number> {
  using _ = new Scope(gpu);
  const size = 4 << 20; // 64 MiB each, past all caches
  const x = empty(gpu, [size, 4], { label: "copy input" }),
    out = empty(gpu, [size, 4], { label: "copy output" });
  const byKernel = await secondsEach(gpu, () => {
    run(shader, "copy", { x, out }, { threads: size, params: { size, rounds: 0 } });
  });
  const byDriver = await secondsEach(
    gpu,
    () => gpu.recorder.copy(x.storage, 0, out.storage, 0, 16 * size),
  );
  return 2 * 16 * size / Math.min(byKernel, byDriver);
}

async function measureLaunch(gpu: Gpu): Promise<number> {
  using _ = new Scope(gpu);
  const out = empty(gpu, [64, 4], { label: "launch output" });
  return await secondsEach(gpu, () => {
    run(shader, "nothing", { out }, { threads: 64, params: { size: 64, rounds: 0 } });
  });
}

/**
 * Seconds of one call of `work`, the best of three measurements. A wait costs about 11 ms in Deno however short the
 * work, so that much is measured first and taken off, and the work is repeated until it takes far longer.
 */
export async function secondsEach(gpu: Gpu, work: () => void): Promise<number> {
  const measure = async (count: number): Promise<number> => {
    const began = performance.now();
    for (let i = 0; i < count; i++) work();
    await gpu.finish();
    return (performance.now() - began) / 1000;
  };
  await measure(1); // compiles
  const idle = await measure(0);
  let count = 1;
  while (await measure(count) - idle < 0.05 && count < 1 << 16) count *= 2;
  let best = Infinity;
  for (let i = 0; i < 3; i++) best = Math.min(best, await measure(count) - idle);
  return Math.max(best, 1e-9) / count;
}
