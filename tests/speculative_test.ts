import { assertEquals, assertRejects } from "@std/assert";
import { Bigram, generate, type GptConfig, randomUniform, WeftError } from "../mod.ts";
import { pick, probabilities, type SamplingOptions } from "../model/sampling.ts";
import { generateSpeculatively, judge } from "../model/speculative.ts";
import { gpuTest } from "./_check_op.ts";
import { expectDistribution } from "./_chi_squared.ts";
import { logitsAfter, sharpModel } from "./_sharp_model.ts";

const large: GptConfig = { n_layer: 2, n_head: 2, n_embd: 16, block_size: 64, vocab_size: 9 };
const small: GptConfig = { ...large, n_layer: 1, n_embd: 8 };

async function collect(ids: AsyncIterable<number>): Promise<number[]> {
  const all: number[] = [];
  for await (const id of ids) all.push(id);
  return all;
}

Deno.test("what is taken of proposals has the model's distribution, whatever the draft's: 100,000 draws of two tokens", () => {
  const options: [SamplingOptions, SamplingOptions][] = [[{}, {}], [{ topK: 2 }, { topP: 0.6 }], [{ temperature: 2 }, {
    topK: 1,
  }]];
  for (const [ofModel, ofDraft] of options) {
    const V = 4,
      random = (stream: number, i: number) =>
        Array.from({ length: V }, (_, v) => 4 * randomUniform(stream, 5, 7 * i + v));
    const p = Array.from({ length: V + 1 }, (_, i) => probabilities(random(1, i), ofModel));
    const q = Array.from({ length: V + 1 }, (_, i) => probabilities(random(2, i), ofDraft));
    const pairs = new Uint32Array(V * V);
    let taken = 0;
    for (let i = 0; i < 100_000; i++) {
      let at = 0;
      const draw = () => randomUniform(3, i, at++);
      // Two proposals; p[v + 1] and q[v + 1] are those after the token v.
      const first = pick(q[0], draw()), second = pick(q[first + 1], draw());
      const out = judge([first, second], [q[0], q[first + 1]], [p[0], p[first + 1], p[second + 1]], draw);
      taken += out.length - 1;
      const [one, two = pick(p[one + 1], draw())] = out; // where one came alone, the model goes on by itself
      pairs[one * V + two]++;
    }
    expectDistribution(
      pairs,
      Float64Array.from(pairs, (_, i) => p[0][Math.floor(i / V)] * p[Math.floor(i / V) + 1][i % V]),
    );
    assertEquals(taken > 50_000 && taken < 199_000, true, `${taken} of 200,000 proposals taken`);
  }
});

gpuTest("speculative decoding takes each token as float64 arithmetic does by the models' logits", async (gpu) => {
  const model = sharpModel(gpu, large, 1), draft = sharpModel(gpu, small, 2), prompt = [3, 1, 4], maxNewTokens = 30;
  for (
    const options of [{ seed: 11 }, {
      seed: 2 ** 33,
      topK: 5,
      repetitionPenalty: 1.3,
      presencePenalty: 0.2,
      logitBias: { 2: 1 },
    }]
  ) {
    const actual = await collect(
      generateSpeculatively(model, draft, prompt, { ...options, maxNewTokens, proposals: 3 }),
    );
    const ids = [...prompt];
    let draws = 0, rejected = 0;
    for (let round = 0; ids.length < prompt.length + maxNewTokens; round++) {
      const count = Math.min(3, prompt.length + maxNewTokens - ids.length - 1), text = [...ids], p = [], q = [];
      const after = async (of: typeof model) =>
        probabilities(await logitsAfter(of, text), options, { prompt, output: text.slice(3) });
      for (let i = 0; i <= count; i++) {
        p.push(await after(model));
        if (i === count) break;
        q.push(await after(draft));
        text.push(pick(q[i], randomUniform(options.seed + round * 2 ** 32, 0x5a4e, i)));
      }
      const taken = judge(text.slice(ids.length), q, p, () => randomUniform(options.seed, 0x5a4f, draws++));
      if (taken.length <= count) rejected++;
      ids.push(...taken);
    }
    assertEquals(actual, ids.slice(3));
    assertEquals(rejected > 2, true);
  }
});

gpuTest("greedily, speculative decoding gives the model's own tokens, whatever it guesses", async (gpu) => {
  const model = sharpModel(gpu, large, 1), greedy = { temperature: 0, maxNewTokens: 61 };
  for (const prompt of [[5], [3, 1, 4]]) {
    const maxNewTokens = 64 - prompt.length,
      expected = await collect(generate(model, prompt, { ...greedy, maxNewTokens }));
    for (const draft of [sharpModel(gpu, small, 2), model]) {
      for (const proposals of [1, 4]) {
        const ids = await collect(generateSpeculatively(model, draft, prompt, { ...greedy, maxNewTokens, proposals }));
        assertEquals(ids, expected);
      }
    }
  }
});

gpuTest("speculation that cannot be is refused", async (gpu) => {
  const model = sharpModel(gpu, large), options = { maxNewTokens: 4 };
  const first = (draft: Parameters<typeof generateSpeculatively>[1], more = {}) =>
    generateSpeculatively(model, draft, [1], { ...options, ...more }).next();
  await assertRejects(() => first(sharpModel(gpu, { ...small, vocab_size: 8 })), WeftError, "8 tokens and the model 9");
  await assertRejects(
    () => first(new Bigram(gpu, { vocab_size: 9, block_size: 64 })),
    WeftError,
    "keep keys and values",
  );
  await assertRejects(() => first(model, { maxNewTokens: 64 }), WeftError, "do not fit block_size, 64");
  await assertRejects(() => first(model, { proposals: 0 }), WeftError, "proposals is 0");
});
