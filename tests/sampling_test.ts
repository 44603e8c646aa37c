import { assertEquals, assertThrows } from "@std/assert";
import { packRequests, type SampleRequest, sampleTokens } from "../engine/ops/sample.ts";
import { type Gpu, randomNormals, randomUniform, readTensors, Scope, tensor, WeftError, zeros } from "../mod.ts";
import { pick, probabilities, type SamplingOptions } from "../model/sampling.ts";
import { resolveSampling, type TokensSoFar } from "../model/sampling.ts";
import { asHardware, gpuTest } from "./_check_op.ts";
import { expectDistribution } from "./_chi_squared.ts";
import { logSoftmax } from "./_sharp_model.ts";

/** Draws one token of each row by the GPU. */
async function draw(
  gpu: Gpu,
  logits: Float32Array<ArrayBuffer>,
  V: number,
  options: (row: number) => SamplingOptions,
  soFar: TokensSoFar = {},
): Promise<{ ids: Uint32Array; logProbs: Float32Array }> {
  using _ = new Scope(gpu);
  const rows = logits.length / V;
  const requests: SampleRequest[] = Array.from({ length: rows }, (_, row) => resolveSampling(options(row), V));
  const counts = new Uint32Array(V), bias = new Float32Array(V);
  for (const id of Array.from(soFar.prompt ?? [])) counts[id] = 1;
  for (const id of Array.from(soFar.output ?? [])) counts[id] += 2;
  for (const [id, value] of Object.entries(options(0).logitBias ?? {})) bias[Number(id)] = value;
  const repeat = <A extends Uint32Array | Float32Array>(values: A, all: A): A => {
    for (let row = 0; row < rows; row++) all.set(values, row * V);
    return all;
  };
  const state = {
    requests: tensor(gpu, packRequests(requests), [rows, 12]),
    ids: zeros(gpu, [rows], { dtype: "u32" }),
    history: zeros(gpu, [1, rows], { dtype: "u32" }),
    logProbs: zeros(gpu, [1, rows]),
    counts: soFar.output ? tensor(gpu, repeat(counts, new Uint32Array(rows * V)), [rows, V]) : undefined,
    bias: options(0).logitBias ? tensor(gpu, repeat(bias, new Float32Array(rows * V)), [rows, V]) : undefined,
  };
  sampleTokens(tensor(gpu, logits, [rows, V]), state, requests, 7);
  const [ids, history, logProbs] = await readTensors([state.ids, state.history, state.logProbs]);
  assertEquals([...history.data], [...ids.data]);
  return { ids: ids.data as Uint32Array, logProbs: logProbs.data as Float32Array };
}

const V = 16, soFar = { prompt: [0, 3, 5, 5], output: [1, 1, 1, 3, 9, 12] };
const one = randomNormals(V, { seed: 3, stream: 0, std: 1.5 }).map((v) => Math.round(4 * v) / 4); // with ties
const cases: Record<string, SamplingOptions> = {
  plain: {},
  "temperature": { temperature: 0.6 },
  "high temperature": { temperature: 3 },
  "top-k": { topK: 5 },
  "top-k within ties": { topK: 8, temperature: 2 },
  "top-p": { topP: 0.7 },
  "top-p, low": { topP: 0.05 },
  "min-p": { minP: 0.15 },
  "repetition penalty": { repetitionPenalty: 1.7 },
  "frequency penalty": { frequencyPenalty: 0.4 },
  "presence penalty": { presencePenalty: 0.9 },
  "logit bias": { logitBias: { 2: 1.5, 4: -Infinity, 11: -2 } },
  "all of them": {
    temperature: 1.4,
    topK: 12,
    topP: 0.9,
    minP: 0.03,
    repetitionPenalty: 1.2,
    frequencyPenalty: 0.2,
    presencePenalty: -0.3,
    logitBias: { 0: 1, 7: -1 },
  },
  greedy: { temperature: 0 },
};

for (const [name, options] of Object.entries(cases)) {
  gpuTest(`100,000 draws have the exact distribution: ${name}`, async (gpu) => {
    const n = 100_000, logits = new Float32Array(n * V);
    for (let row = 0; row < n; row++) logits.set(one, row * V);
    const { ids } = await draw(gpu, logits, V, (row) => ({ ...options, seed: row }), soFar);
    const counts = new Uint32Array(V);
    for (const id of ids) counts[id]++;
    const expected = probabilities(one, options, soFar);
    expectDistribution(counts, expected);
    if (name !== "plain") { // else an option that does nothing would pass
      assertThrows(() => expectDistribution(counts, probabilities(one, {}, soFar)));
    }
  });
}

gpuTest(
  "each draw is the one that float64 arithmetic makes, for vocabularies of all sizes and rows of their own options",
  async (gpu) => {
    for (const [V, rows] of [[1, 3], [2, 16], [7, 64], [65, 64], [1000, 64], [3001, 24], [50_257, 12], [70_001, 3]]) {
      const logits = new Float32Array(rows * V);
      for (let row = 0; row < rows; row++) logits.set(randomNormals(V, { seed: row, stream: 1, std: 3 }), row * V);
      const bias = { 0: 2.5 };
      const options = (row: number): SamplingOptions => ({
        seed: 2 ** 40 + row,
        logitBias: bias,
        ...[{}, { topK: Math.ceil(V / 9) }, { topP: 0.83 }, { topK: 40, topP: 0.5 }, { minP: 0.02 }, {
          temperature: 0,
        }][row % 6],
      });
      const { ids, logProbs } = await draw(gpu, logits, V, options, { prompt: [0], output: [V - 1] });
      for (let row = 0; row < rows; row++) {
        const own = logits.slice(row * V, (row + 1) * V), { seed } = options(row);
        const expected = pick(probabilities(own, options(row)), randomUniform(seed!, 7, 0));
        assertEquals(ids[row], expected, `V ${V}, row ${row}`);
        assertEquals(Math.abs(logProbs[row] - logSoftmax(own)[expected]) < 1e-4, true);
      }
    }
  },
);

gpuTest("with the lanes of a GPU each draw is the same", async (gpu) => {
  const V = 3001, logits = randomNormals(12 * V, { seed: 1, stream: 1, std: 3 });
  const options = (row: number) => ({ seed: row, ...[{}, { topK: 100 }, { topP: 0.8 }, { topK: 1 }][row % 4] });
  const onCpu = await draw(gpu, logits, V, options);
  using _ = asHardware(gpu);
  for (const part of [V, 97]) { // 256 lanes, and 64
    const some = logits.slice(0, 12 * part), { ids } = await draw(gpu, some, part, options);
    const expected = part === V
      ? onCpu.ids
      : ids.map((_, row) =>
        pick(probabilities(some.slice(row * part, (row + 1) * part), options(row)), randomUniform(row, 7, 0))
      );
    assertEquals(ids, expected);
  }
});

gpuTest("among equals the smaller id is the likelier, whatever the lanes", async (gpu) => {
  for (const V of [5, 100, 5000]) {
    const logits = new Float32Array(64 * V).fill(1.25), kept = Math.ceil(V / 3);
    for (
      const options of [{ topK: kept }, { topP: (kept - 0.5) / V }, { topK: kept, topP: 0.999 }, { temperature: 0 }]
    ) {
      const { ids } = await draw(gpu, logits, V, (row) => ({ ...options, seed: row }));
      const largest = ids.reduce((a, b) => Math.max(a, b));
      assertEquals(largest < (options.temperature === 0 ? 1 : kept), true, `${V}: ${largest}`);
      if (options.temperature !== 0) assertEquals(largest > 0.8 * (kept - 1), true, `${V}: ${largest} of ${kept}`);
    }
  }
});

gpuTest("logits that are not numbers give no token", async (gpu) => {
  const { ids } = await draw(gpu, new Float32Array([1, 2, 3, 1, NaN, 3]), 3, () => ({}));
  assertEquals([...ids], [[...ids][0], 2 ** 32 - 1]);
});

Deno.test("options that cannot be are refused by name", () => {
  for (
    const [options, message] of [
      [{ temperature: -1 }, "temperature is -1"],
      [{ topK: 0 }, "top_k is 0"],
      [{ topP: 0 }, "top_p is 0: it must be above 0 and at most 1"],
      [{ minP: 1.5 }, "min_p is 1.5"],
      [{ repetitionPenalty: 0 }, "repetition_penalty is 0"],
      [{ frequencyPenalty: NaN }, "frequency_penalty is NaN"],
      [{ presencePenalty: Infinity }, "presence_penalty is Infinity"],
      [{ seed: 1.5 }, "seed is 1.5"],
      [{ logitBias: { 4: 1 } }, "logit_bias of a token is 4"],
      [{ logitBias: { 3: Infinity } }, "logit_bias of token 3 is Infinity"],
    ] as [SamplingOptions, string][]
  ) assertThrows(() => probabilities([1, 2, 3, 4], options), WeftError, message);
});
