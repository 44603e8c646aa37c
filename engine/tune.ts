import type { Choice, Question } from "./choices.ts";
import type { Gpu } from "./gpu.ts";
import { Scope } from "./scope.ts";
import { WeftError } from "./weft_error.ts";

const rounds = 3;

/**
 * Collects the questions of `work`, which runs without any effect on the GPU, and times the candidates of each that has no
 * answer yet, in turn, best of three. A result that is off float64 arithmetic by more than the trial allows disqualifies
 * its candidate; the one that serves without measurements stays unless another is 3 % faster. Returns how many questions
 * were answered.
 *
 * @throws {WeftError} when even that one computes wrongly.
 */
export async function tune(
  gpu: Gpu,
  work: () => void,
  onProgress: (done: number, of: number) => void = () => {},
): Promise<number> {
  const questions = new Map<string, Question>();
  gpu.choices.questions = questions;
  try {
    gpu.rehearse(work);
  } finally {
    gpu.choices.questions = undefined;
  }
  let done = 0;
  for (const [key, question] of questions) {
    onProgress(done++, questions.size);
    gpu.choices.answers.set(key, await answer(gpu, key, question));
  }
  if (questions.size > 0) onProgress(done, questions.size);
  return questions.size;
}

async function answer(gpu: Gpu, key: string, { fallback, candidates, trial }: Question): Promise<Choice> {
  using _ = new Scope(gpu);
  const { run, error, tolerance = 1e-4 } = trial();
  const ms: Record<string, number> = {};
  for (const variant of [fallback, ...candidates.filter((candidate) => candidate !== fallback)]) {
    using _ = new Scope(gpu);
    const off = error(await run(variant).read()); // compiles, too
    if (off <= tolerance) ms[variant] = Infinity;
    else if (variant === fallback) {
      throw new WeftError(`${gpu.info.description} computes ${key} wrongly with ${variant}: it is off by ${off}`);
    }
  }
  for (let round = 0; round < rounds; round++) {
    for (const variant in ms) {
      // What is far behind need not be measured again.
      if (round > 0 && ms[variant] > 2 * Math.min(...Object.values(ms))) continue;
      ms[variant] = Math.min(ms[variant], await milliseconds(gpu, () => run(variant)));
    }
  }
  let variant = fallback;
  for (const candidate in ms) {
    if (ms[candidate] < 0.97 * ms[fallback] && ms[candidate] < ms[variant]) variant = candidate;
  }
  return { variant, ms };
}

/** GPU time of one run, by timestamps where the adapter has them. */
async function milliseconds(gpu: Gpu, run: () => unknown): Promise<number> {
  const repeat = (count: number) => {
    for (let i = 0; i < count; i++) {
      using _ = new Scope(gpu);
      run();
    }
  };
  if (gpu.device.features.has("timestamp-query")) {
    const time = async (count: number) =>
      (await gpu.profile(() => repeat(count))).reduce((sum, { milliseconds }) => sum + milliseconds, 0) / count;
    const once = await time(1);
    return once > 4 ? once : await time(Math.min(16, Math.ceil(4 / once)));
  }
  const wall = async (count: number) => {
    const began = performance.now();
    repeat(count);
    await gpu.finish();
    return performance.now() - began;
  };
  const idle = await wall(0), count = Math.max(1, Math.min(64, Math.ceil(50 / Math.max(0.5, await wall(1) - idle))));
  return (await wall(count) - idle) / count;
}
