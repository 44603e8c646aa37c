import { WeftError } from "../engine/weft_error.ts";

/** A learning rate over the steps of a run, under nanoGPT's names. */
export interface ScheduleOptions {
  /** The highest rate. */
  readonly learningRate: number;
  /** The rate that the decay ends at. */
  readonly minLr: number;
  /** Steps of linear warmup. */
  readonly warmupIters: number;
  /** The step at which the decay ends. */
  readonly lrDecayIters: number;
  /** Whether there is warmup and decay at all. Default: yes. */
  readonly decayLr?: boolean;
}

/**
 * Linear warmup, then half a cosine down to `minLr`, which is kept from there on: the schedule of GPT-3 (Brown et al.
 * 2020) as nanoGPT computes it. Steps count from 0; the first step of the warmup is not at rate 0.
 *
 * @example
 * ```ts
 * import { learningRateAt } from "./schedule.ts";
 * const schedule = { learningRate: 1e-3, minLr: 1e-4, warmupIters: 100, lrDecayIters: 2000 };
 * console.log(learningRateAt(0, schedule), learningRateAt(100, schedule), learningRateAt(5000, schedule));
 * ```
 */
export function learningRateAt(step: number, options: ScheduleOptions): number {
  const { learningRate, minLr, warmupIters, lrDecayIters, decayLr = true } = options;
  if (!decayLr) return learningRate;
  if (lrDecayIters < warmupIters) {
    throw new WeftError(
      `lr_decay_iters is ${lrDecayIters}: it must not be below warmup_iters, ${warmupIters}`,
    );
  }
  if (step < warmupIters) return learningRate * (step + 1) / (warmupIters + 1);
  if (step >= lrDecayIters) return minLr;
  const ratio = (step - warmupIters) / (lrDecayIters - warmupIters);
  return minLr + 0.5 * (1 + Math.cos(Math.PI * ratio)) * (learningRate - minLr);
}
