import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { learningRateAt, WeftError } from "../mod.ts";

Deno.test("the rates are those that PyTorch's reference used", async () => {
  const path = new URL("fixtures/gpt_bias_tanh/expected.json", import.meta.url);
  const { steps } = JSON.parse(await Deno.readTextFile(path)) as { steps: { lr: number }[] };
  const schedule = { learningRate: 1e-3, minLr: 1e-4, warmupIters: 2, lrDecayIters: 10 };
  for (const [step, { lr }] of steps.entries()) assertAlmostEquals(learningRateAt(step, schedule), lr, 1e-12);
});

Deno.test("the ends of warmup and decay are exact", () => {
  const schedule = { learningRate: 1e-3, minLr: 1e-4, warmupIters: 100, lrDecayIters: 2000 };
  assertAlmostEquals(learningRateAt(0, schedule), 1e-3 / 101, 1e-15);
  assertAlmostEquals(learningRateAt(99, schedule), 1e-3 * 100 / 101, 1e-15);
  assertEquals(learningRateAt(100, schedule), 1e-3);
  assertAlmostEquals(learningRateAt(1050, schedule), 5.5e-4, 1e-15);
  assertEquals([2000, 2001, 1e6].map((step) => learningRateAt(step, schedule)), [1e-4, 1e-4, 1e-4]);
  assertEquals(learningRateAt(0, { ...schedule, decayLr: false }), 1e-3);
  assertEquals(learningRateAt(0, { ...schedule, warmupIters: 0, lrDecayIters: 0 }), 1e-4);
});

Deno.test("a decay that ends before the warmup is refused", () => {
  const schedule = { learningRate: 1, minLr: 0, warmupIters: 100, lrDecayIters: 50 };
  assertThrows(() => learningRateAt(0, schedule), WeftError, "lr_decay_iters is 50");
});
