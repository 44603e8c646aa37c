import { assertEquals, assertRejects } from "@std/assert";
import { Bigram, generate, type Gpt, type GptConfig, Scope, tensor, WeftError } from "../mod.ts";
import { beamSearch } from "../model/beam_search.ts";
import { contrastiveSearch } from "../model/contrastive_search.ts";
import type { Tensor } from "../mod.ts";
import { gpuTest } from "./_check_op.ts";
import { logProbsOf, logSoftmax, sharpModel } from "./_sharp_model.ts";

const config: GptConfig = { n_layer: 2, n_head: 2, n_embd: 16, block_size: 16, vocab_size: 4 };

/** Every sequence of up to `length` tokens that ends at one of `ends` or at that length, with its log-probability. */
async function allSequences(
  model: Gpt,
  prompt: number[],
  length: number,
  ends: number[],
): Promise<{ ids: number[]; logProb: number }[]> {
  let open = [{ ids: [] as number[], logProb: 0 }];
  const done: typeof open = [];
  for (let step = 0; step < length; step++) {
    const after = await logProbsOf(model, open.map(({ ids }) => [...prompt, ...ids]));
    const longer = open.flatMap(({ ids, logProb }, i) =>
      Array.from({ length: 4 }, (_, id) => ({ ids: [...ids, id], logProb: logProb + after[i].at(-1)![id] }))
    );
    const over = ({ ids }: { ids: number[] }) => ids.length === length || ends.includes(ids.at(-1)!);
    done.push(...longer.filter(over));
    open = longer.filter((each) => !over(each));
  }
  return done;
}

gpuTest("a beam search as wide as the tree finds the best of all sequences, in order", async (gpu) => {
  const model = sharpModel(gpu, config), prompt = [1, 3, 2];
  for (const [lengthPenalty, stopTokens] of [[1, []], [0, [2]], [1, [2]], [2.5, [2]], [-1, [0, 2]]] as const) {
    const everything = await allSequences(model, prompt, 4, [...stopTokens]);
    const scored = everything.map(({ ids, logProb }) => ({
      ids,
      logProb,
      score: logProb / ids.length ** lengthPenalty,
    }))
      .sort((a, b) => b.score - a.score);
    const numBeams = 256,
      found = await beamSearch(model, prompt, { maxNewTokens: 4, numBeams, lengthPenalty, stopTokens });
    assertEquals(found.map(({ ids }) => ids.join()), scored.map(({ ids }) => ids.join()), `penalty ${lengthPenalty}`);
    found.forEach(({ logProb, score }, i) => {
      assertEquals(Math.abs(logProb - scored[i].logProb) < 1e-4, true);
      assertEquals(Math.abs(score - scored[i].score) < 1e-4, true);
    });
  }
});

gpuTest("a narrow beam search follows the best beginnings, with a cache and without", async (gpu) => {
  const model = sharpModel(gpu, { ...config, vocab_size: 7 }, 2, 0.2), prompt = [1, 3], maxNewTokens = 9;
  // The same in plain code, without ends.
  let beams = [{ ids: [] as number[], logProb: 0 }];
  for (let step = 0; step < maxNewTokens; step++) {
    const after = await logProbsOf(model, beams.map(({ ids }) => [...prompt, ...ids]));
    beams = beams.flatMap(({ ids, logProb }, i) =>
      Array.from({ length: 7 }, (_, id) => ({ ids: [...ids, id], logProb: logProb + after[i].at(-1)![id] }))
    ).sort((a, b) => b.logProb - a.logProb).slice(0, 3);
  }
  const found = await beamSearch(model, prompt, { maxNewTokens, numBeams: 3 });
  assertEquals(found.map(({ ids }) => ids), beams.map(({ ids }) => ids));
  const plain = new Proxy(model, {
    get: (target, key) => {
      const value = key === "newCache" ? undefined : Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  assertEquals(
    (await beamSearch(plain, prompt, { maxNewTokens, numBeams: 3 })).map(({ ids }) => ids),
    found.map(({ ids }) => ids),
  );
  const [greedy] = await beamSearch(model, prompt, { maxNewTokens, numBeams: 1 }), ids: number[] = [];
  for await (const id of generate(model, prompt, { maxNewTokens, temperature: 0 })) ids.push(id);
  assertEquals(greedy.ids, ids);
  assertEquals(found[0].score > greedy.score, true); // else there was nothing to search
});

gpuTest("contrastive search chooses as its formula does", async (gpu) => {
  const model = sharpModel(gpu, { ...config, vocab_size: 11 }, 2, 0.25), prompt = [1, 3, 5], topK = 4;
  const look = async (ids: number[]) => {
    using _ = new Scope(gpu);
    let states: Promise<Float32Array> | undefined;
    const probe = (stage: string, value: Tensor) => void (stage === "hidden" && (states = value.read()));
    const logits = await model.forward(tensor(gpu, new Int32Array(ids), [1, ids.length]), { probe }).read();
    const hidden = await states!, rows = ids.map((_, t) => [...hidden.slice(16 * t, 16 * t + 16)]);
    return { p: logSoftmax(logits.slice(-11)).map(Math.exp), rows };
  };
  const cos = (a: number[], b: number[]) =>
    a.reduce((s, v, i) => s + v * b[i], 0) / Math.hypot(...a) / Math.hypot(...b);
  const texts: string[] = [];
  for (const penaltyAlpha of [0.6, 0.2, 0]) {
    const expected = [...prompt], actual = [...prompt];
    while (expected.length < 15) {
      const { p } = await look(expected), scores: [number, number][] = [];
      for (const id of [...p.keys()].sort((a, b) => p[b] - p[a]).slice(0, topK)) {
        const { rows } = await look([...expected, id]), own = rows.pop()!;
        scores.push([(1 - penaltyAlpha) * p[id] - penaltyAlpha * Math.max(...rows.map((row) => cos(row, own))), id]);
      }
      expected.push(scores.sort((a, b) => b[0] - a[0])[0][1]);
    }
    for await (const id of contrastiveSearch(model, prompt, { maxNewTokens: 12, topK, penaltyAlpha })) actual.push(id);
    assertEquals(actual, expected);
    texts.push(actual.join());
  }
  assertEquals(new Set(texts).size, 3);
});

gpuTest("searches that cannot be are refused", async (gpu) => {
  const model = sharpModel(gpu, config), bigram = new Bigram(gpu, { vocab_size: 4, block_size: 16 });
  await assertRejects(() => beamSearch(model, [1], { maxNewTokens: 16 }), WeftError, "do not fit block_size, 16");
  await assertRejects(
    () => beamSearch(model, [4], { maxNewTokens: 1 }),
    WeftError,
    "the id 4: the model has ids below 4",
  );
  await assertRejects(() => beamSearch(model, [1], { maxNewTokens: 1, numBeams: 0 }), WeftError, "num_beams is 0");
  const contrastive = (of: Gpt | Bigram, more: object) =>
    contrastiveSearch(of, [1], { maxNewTokens: 2, ...more }).next();
  await assertRejects(() => contrastive(bigram, {}), WeftError, "keeps keys and values");
  await assertRejects(() => contrastive(model, { topK: 5 }), WeftError, "top_k is 5");
  await assertRejects(() => contrastive(model, { penaltyAlpha: 2 }), WeftError, "penalty_alpha is 2");
  assertEquals((await beamSearch(bigram, [1], { maxNewTokens: 3, numBeams: 2 })).length, 2);
});
