// How long a token takes: with a cache and without, in batches, past block_size; and a prompt beside a pass of training.
//   deno run --no-lock -A tests/peers/generation.ts
import { measurePeaks } from "../../cli/peaks.ts";
import { stepConfigs, weightBytes } from "../../cli/bench_cases.ts";
import { type DecoderOptions, generateBatch, Gpt, Gpu, Scope, tensor } from "../../mod.ts";

using gpu = await Gpu.open();
const [small, large] = stepConfigs.map(({ model }) => model), model = new Gpt(gpu, large);
console.log(`adapter: ${gpu.info.description}`);

/** Milliseconds of each step after the first `warm` ones. */
async function perStep(
  of: Gpt,
  prompts: number,
  length: number,
  options: DecoderOptions,
  warm: number,
): Promise<number> {
  const prompt = Array.from({ length }, (_, i) => i % of.vocabSize), stamps: number[] = [];
  const requests = Array.from({ length: prompts }, () => ({ prompt }));
  for await (const _ of generateBatch(of, requests, options)) stamps.push(performance.now());
  return (stamps.at(-1)! - stamps[warm]) / (stamps.length - 1 - warm);
}
const bound = async () => 1000 * weightBytes(large, "f32") / (await measurePeaks(gpu)).bandwidth;

await perStep(model, 1, 1, { maxNewTokens: 8 }, 1); // compiles
const cached = await perStep(model, 1, 1, { maxNewTokens: 255 }, 0), least = await bound();
console.log(
  `a token of 255 with a cache: ${cached.toFixed(1)} ms, ${(cached / least).toFixed(2)} × the bytes of the weights`,
);
const without: number[] = [];
for (const length of [16, 80, 144, 208]) {
  without.push(await perStep(model, 1, length, { maxNewTokens: 3, cache: false }, 0));
}
const mean = without.reduce((sum, each) => sum + each, 0) / without.length;
console.log(
  `without, after 16, 80, 144, 208: ${without.map((ms) => ms.toFixed(0)).join(", ")} ms, ` +
    `${(mean / cached).toFixed(1)} times as long`,
);
for (const rows of [1, 4, 8, 16]) {
  await perStep(model, rows, 1, { maxNewTokens: 6 }, 1);
  const ms = await perStep(model, rows, 1, { maxNewTokens: 24 }, 4), least = await bound();
  console.log(`batch of ${rows}: ${ms.toFixed(1)} ms, ${(ms / least).toFixed(2)} × the bytes of the weights`);
}
const other = new Gpt(gpu, small);
for (const context of ["crop", "slide"] as const) {
  await perStep(other, 1, 64, { maxNewTokens: 40, context }, 2);
  const ms = await perStep(other, 1, 64, { maxNewTokens: 120, context }, 2);
  console.log(`past block_size ${small.block_size}, ${context}: ${ms.toFixed(1)} ms`);
}
const T = 512, long = new Gpt(gpu, { ...large, block_size: T }), cache = long.newCache(1);
long.training = false;
const ids = tensor(gpu, Int32Array.from({ length: T }, (_, i) => i % large.vocab_size), [1, T]);
const rows = tensor(gpu, new Uint32Array([0]));
async function time(run: () => void): Promise<number> {
  const began = performance.now();
  {
    using _ = new Scope(gpu);
    run();
  }
  await gpu.finish();
  return performance.now() - began;
}
const passes = [() => void long.loss(ids, ids), () => void long.forward(ids, { cache, rows, lastOnly: true })];
const best = [Infinity, Infinity];
for (let round = 0; round < 4; round++) {
  for (const [i, pass] of passes.entries()) {
    const ms = await time(pass);
    if (round > 0) best[i] = Math.min(best[i], ms);
  }
}
console.log(`${T} tokens: forward pass of training ${best[0].toFixed(0)} ms, prompt ${best[1].toFixed(0)} ms`);
cache.free();
