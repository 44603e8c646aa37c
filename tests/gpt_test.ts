import { assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  Bigram,
  crossEntropy,
  generate,
  Gpt,
  type GptConfig,
  gptParameterShapes,
  sample,
  Scope,
  tensor,
  WeftError,
} from "../mod.ts";
import { randomNormals } from "../mod.ts";
import { expectClose, gpuTest } from "./_check_op.ts";

const small: GptConfig = { n_layer: 2, n_head: 2, n_embd: 16, block_size: 8, vocab_size: 13 };
const count = (config: GptConfig) =>
  [...gptParameterShapes(config)].filter(([name]) => name !== "wpe.weight")
    .reduce((sum, [, shape]) => sum + shape.reduce((product, extent) => product * extent, 1), 0);

Deno.test("sizes are those of the published models, without positions", () => {
  const shakespeare = { n_layer: 4, n_head: 4, n_embd: 128, block_size: 64, vocab_size: 65, bias: false };
  assertEquals(count(shakespeare), 795_904);
  assertEquals(count({ ...shakespeare, n_layer: 6, n_head: 6, n_embd: 384, block_size: 256 }), 10_646_784);
  const gpt2 = { n_layer: 12, n_head: 12, n_embd: 768, block_size: 1024, vocab_size: 50257 };
  assertEquals(count(gpt2) + 1024 * 768, 124_439_808);
  assertEquals(count({ ...gpt2, n_layer: 48, n_head: 25, n_embd: 1600 }) + 1024 * 1600, 1_557_611_200);
});

gpuTest("parameters have GPT-2's names, layout and initial values", async (gpu) => {
  const config = { n_layer: 3, n_head: 4, n_embd: 64, block_size: 32, vocab_size: 101 };
  const parameters = new Gpt(gpu, config, { seed: 5 }).parameters();
  assertEquals([...parameters.keys()], [...gptParameterShapes(config).keys()]);
  assertEquals(parameters.get("h.2.attn.c_attn.weight")!.shape, [64, 192]);
  const deviation = async (name: string) => {
    const values = await parameters.get(name)!.read();
    return Math.sqrt(values.reduce((s, v) => s + v * v, 0) / values.length);
  };
  assertAlmostEquals(await deviation("wte.weight"), 0.02, 1e-3);
  assertAlmostEquals(await deviation("h.0.mlp.c_fc.weight"), 0.02, 1e-3);
  assertAlmostEquals(await deviation("h.1.attn.c_proj.weight"), 0.02 / Math.sqrt(6), 4e-4);
  assertEquals(await deviation("h.0.attn.c_attn.bias"), 0);
  assertEquals(await deviation("ln_f.weight"), 1);
});

gpuTest("the first loss is the logarithm of the vocabulary", async (gpu) => {
  const model = new Gpt(gpu, { n_layer: 4, n_head: 4, n_embd: 64, block_size: 64, vocab_size: 65 }, {
    seed: 1337,
  });
  using _ = new Scope(gpu);
  const ids = tensor(gpu, new Int32Array(512).map((_, i) => i * i * 7 % 65), [8, 64]);
  // other tokens than those that are read: the tied head favours what it sees
  const targets = tensor(gpu, new Int32Array(512).map((_, i) => (i * i * 7 + 13 + i % 31) % 65), [8, 64]);
  assertAlmostEquals(await crossEntropy(model.forward(ids), targets).item(), Math.log(65), 0.05);
});

gpuTest("a position sees only what is before it", async (gpu) => {
  const model = new Gpt(gpu, small, { seed: 2 });
  using _ = new Scope(gpu);
  const a = [1, 2, 3, 4, 5, 6], b = [1, 2, 3, 9, 8, 7];
  const [x, y] = [a, b].map((ids) => model.forward(tensor(gpu, new Int32Array(ids), [1, 6])));
  const [left, right] = [await x.read(), await y.read()];
  assertEquals(left.slice(0, 3 * 13), right.slice(0, 3 * 13));
  assertEquals(left.slice(3 * 13).some((v, i) => v !== right[3 * 13 + i]), true);
});

gpuTest("the last position alone has the logits of the whole sequence", async (gpu) => {
  for (
    const model of [new Gpt(gpu, small, { seed: 3 }), new Bigram(gpu, { vocab_size: 13, block_size: 8 })]
  ) {
    using _ = new Scope(gpu);
    const ids = tensor(gpu, new Int32Array([3, 1, 4, 1, 5, 9, 2, 6]), [2, 4]);
    const all = await model.forward(ids).read(), last = await model.forward(ids, { lastOnly: true }).read();
    assertEquals(last.length, 26);
    expectClose("logits", last, [...all.slice(39, 52), ...all.slice(91, 104)], 1e-6);
  }
});

gpuTest("dropout acts while training alone, and differs from step to step", async (gpu) => {
  const model = new Gpt(gpu, { ...small, dropout: 0.5 }, { seed: 4 });
  const logits = async () => {
    using _ = new Scope(gpu);
    return (await model.forward(tensor(gpu, new Int32Array([1, 2, 3]), [1, 3])).read()).join();
  };
  assertEquals(await logits() === await logits(), false);
  model.training = false;
  assertEquals(await logits(), await logits());
});

gpuTest("dropout is at the embedding, in attention, and before both additions to the residual stream", async (gpu) => {
  const model = new Gpt(gpu, { ...small, dropout: 0.5 }), stages = new Map<string, Float32Array>();
  using _ = new Scope(gpu);
  const pending: [string, Promise<Float32Array>][] = [];
  const ids = tensor(gpu, Int32Array.from({ length: 32 }, (_, i) => i % 13), [4, 8]);
  model.forward(ids, { probe: (stage, value) => pending.push([stage, value.read()]) });
  for (const [stage, values] of pending) stages.set(stage, await values);
  assertEquals(model.random.counter, 1 + 3 * small.n_layer); // masks that were drawn, those of attention among them
  // What was dropped leaves the stream as it was.
  const pairs = [[undefined, "embedding"], ["embedding", "h.0.attn"], ["h.0.attn", "h.0.mlp"], ["h.1.attn", "h.1.mlp"]];
  for (const [before, after] of pairs) {
    const x = before && stages.get(before), y = stages.get(after!)!;
    const same = y.filter((v, i) => v === (x ? x[i] : 0)).length / y.length;
    assertEquals(same > 0.4 && same < 0.6, true, `${after}: ${same}`);
  }
});

gpuTest("generation repeats for a seed, crops the context, and leaves the mode as it was", async (gpu) => {
  const model = new Gpt(gpu, { ...small, dropout: 0.3 }, { seed: 6 });
  const write = async (options: { seed?: number; temperature?: number; topK?: number }) => {
    const ids: number[] = [];
    for await (const id of generate(model, [1, 2, 3], { maxNewTokens: 20, ...options })) ids.push(id);
    return ids;
  };
  const first = await write({ seed: 1 });
  assertEquals(first.length, 20); // far past block_size 8
  assertEquals(await write({ seed: 1 }), first);
  assertEquals((await write({ seed: 2 })).join() === first.join(), false);
  assertEquals(await write({ temperature: 0, seed: 1 }), await write({ topK: 1, seed: 9 })); // both take the likeliest
  assertEquals(model.training, true);
});

gpuTest("what is generated past block_size depends on the last block_size tokens alone", async (gpu) => {
  const model = new Gpt(gpu, small, { seed: 6 });
  const next = async (prompt: number[]) => {
    for await (const id of generate(model, prompt, { maxNewTokens: 1, temperature: 0 })) return id;
  };
  const tail = [1, 2, 3, 4, 5, 6, 7, 8];
  assertEquals(await next([12, 11, ...tail]), await next(tail));
});

Deno.test("sampling follows the probabilities, temperature and top-k", () => {
  const logits = new Float32Array([Math.log(0.5), Math.log(0.3), Math.log(0.15), Math.log(0.05)]);
  const frequencies = (temperature: number, topK?: number) => {
    const counts = [0, 0, 0, 0], n = 20_000;
    for (let i = 0; i < n; i++) counts[sample(logits, { temperature, topK, draw: (i + 0.5) / n })]++;
    return counts.map((c) => c / n);
  };
  expectClose("plain", frequencies(1), [0.5, 0.3, 0.15, 0.05], 1e-3);
  expectClose("top 2", frequencies(1, 2), [0.625, 0.375, 0, 0], 1e-3);
  const squared = [0.25, 0.09, 0.0225, 0.0025].map((p) => p / 0.365);
  expectClose("temperature ½", frequencies(0.5), squared, 1e-3);
  assertEquals(frequencies(0), [1, 0, 0, 0]);
  assertThrows(() => sample(new Float32Array([1, NaN]), { temperature: 1, draw: 0 }), WeftError, "NaN");
});

gpuTest("what cannot be is refused", async (gpu) => {
  assertThrows(
    () => new Gpt(gpu, { ...small, n_head: 3 }),
    WeftError,
    "n_embd is 16, which is not divisible by n_head, 3",
  );
  assertThrows(() => new Gpt(gpu, { ...small, block_size: 0 }), WeftError, "block_size is 0");
  assertThrows(() => new Gpt(gpu, { ...small, dropout: 1 }), WeftError, "dropout is 1");
  const model = new Gpt(gpu, small);
  using _ = new Scope(gpu);
  const long = tensor(gpu, new Int32Array(9), [1, 9]);
  assertThrows(
    () => model.forward(long),
    WeftError,
    "ids (1, 9): they must be (B, T) with T from 1 to block_size, 8",
  );
  const first = (options: { temperature?: number; topK?: number }, prompt = [1]) =>
    generate(model, prompt, { maxNewTokens: 1, ...options }).next();
  await assertRejects(() => first({}, []), WeftError, "empty prompt");
  await assertRejects(() => first({ temperature: -1 }), WeftError, "temperature is -1");
  await assertRejects(() => first({ topK: 0 }), WeftError, "top_k is 0");
});

gpuTest("a bigram's logits are the rows of its table", async (gpu) => {
  const model = new Bigram(gpu, { vocab_size: 5, block_size: 4 }, { seed: 8 });
  using _ = new Scope(gpu);
  const table = randomNormals(25, { seed: 8, stream: 0, std: 0.02 });
  const logits = await model.forward(tensor(gpu, new Int32Array([4, 0]), [1, 2])).read();
  assertEquals([...logits], [...table.slice(20), ...table.slice(0, 5)]);
});
