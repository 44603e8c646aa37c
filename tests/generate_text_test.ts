import { assertEquals, assertRejects } from "@std/assert";
import { Bigram, BpeTokenizer, CharTokenizer, generate, type Gpu, randomUniform, WeftError } from "../mod.ts";
import { generateBatch } from "../model/generate.ts";
import { generateText, generateTexts, tokenLogProbs } from "../model/generate_text.ts";
import { pick, probabilities } from "../model/sampling.ts";
import { StopStrings } from "../model/stop_strings.ts";
import { samplingStream } from "../model/sampling.ts";
import { gpuTest } from "./_check_op.ts";
import { logitsAfter, logProbsOf, sharpModel } from "./_sharp_model.ts";

const bytes = BpeTokenizer.fromRanks(Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)), {
  pattern: "gpt2",
});

/** A model that goes round a text whose tokens are all different. */
function parrot(gpu: Gpu, ids: ArrayLike<number>, V: number): Bigram {
  const model = new Bigram(gpu, { vocab_size: V, block_size: 4 });
  const table = new Float32Array(V * V);
  for (let i = 0; i < ids.length; i++) table[ids[i] * V + ids[(i + 1) % ids.length]] = 60;
  gpu.write(model.parameters().get("wte.weight")!.storage, table);
  return model;
}

async function collect(pieces: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = [];
  for await (const piece of pieces) all.push(piece);
  return all;
}

gpuTest("text comes in whole characters", async (gpu) => {
  const text = "aé日😀z", model = parrot(gpu, bytes.encode(text), 256);
  const pieces = await collect(generateText(model, bytes, "a", { maxNewTokens: 21 }));
  assertEquals(pieces, ["é", "日", "😀", "z", "a", "é", "日", "😀", "z"]);
  // A text that ends within a character says so.
  assertEquals(await collect(generateText(model, bytes, "a", { maxNewTokens: 4 })), ["é", "\ufffd"]);
});

gpuTest("a stop string ends the text, and nothing of it is given out", async (gpu) => {
  const text = "0123456789", tokenizer = CharTokenizer.fromText(text), model = parrot(gpu, tokenizer.encode(text), 10);
  const write = async (stop: string[]) => {
    const pieces = generateText(model, tokenizer, "0", { maxNewTokens: 30, stop });
    let text = "";
    while (true) {
      const { done, value } = await pieces.next();
      if (done) return { ...value, same: value.text === text };
      text += value;
    }
  };
  const stopped = await write(["678", "4567", "95"]);
  assertEquals([stopped.text, stopped.finish, stopped.ids.length, stopped.same], ["123", "stop", 7, true]);
  const passed = await write(["679", "10"]); // the beginnings are there, and come out
  assertEquals([passed.text, passed.finish, passed.same], ["123456789012345678901234567890", "length", true]);
  assertEquals(passed.logProbs.every((logProb) => logProb > -1e-6), true);
});

Deno.test("stop strings are found however the text is cut", () => {
  const strings = ["aab", "ba", "\n\nUser:"], text = "xaaxab\n\nUse aaxb\n\nUser: aab";
  const expected = text.slice(0, text.indexOf("\n\nUser:"));
  for (let cut = 1; cut < text.length; cut++) {
    for (let second = cut; second < text.length; second++) {
      const stop = new StopStrings(strings);
      let out = "", stopped = false;
      for (const piece of [text.slice(0, cut), text.slice(cut, second), text.slice(second)]) {
        if (stopped) break;
        const next = stop.push(piece);
        out += next.text;
        stopped = next.stopped;
      }
      assertEquals([out, stopped], [expected, true]);
    }
  }
  const none = new StopStrings(["", "abc"]);
  assertEquals([none.push("xab").text, none.end(), none.push("c")], ["x", "ab", { text: "c", stopped: false }]);
});

gpuTest("the token that ends a document ends the text", async (gpu) => {
  const tokenizer = CharTokenizer.fromText("abcd"), { encode, decode, toJSON } = CharTokenizer.prototype;
  const named = { vocabSize: 5, endOfText: 4, encode: encode.bind(tokenizer), decode: decode.bind(tokenizer), toJSON };
  const model = parrot(gpu, [0, 1, 2, 4], 5);
  const pieces = generateTexts(model, named, ["a"], { maxNewTokens: 9 }), all = [];
  for await (const { text, finish } of pieces) all.push([text, finish]);
  assertEquals(all, [["b", undefined], ["c", undefined], ["", "end_of_text"]]);
});

gpuTest("each row of a batch is what it would be alone, with its own options", async (gpu) => {
  const model = sharpModel(gpu, { n_layer: 1, n_head: 2, n_embd: 16, block_size: 12, vocab_size: 11 }), V = 11;
  const requests = [
    { prompt: [1, 2, 3], seed: 5 },
    { prompt: [4], seed: 6, topK: 4, temperature: 1.5 },
    { prompt: Array.from({ length: 14 }, (_, i) => i % V), seed: 7, topP: 0.8, repetitionPenalty: 1.3 },
    { prompt: [7, 7], seed: 8, minP: 0.05, logitBias: { 3: 2 }, frequencyPenalty: 0.3 },
  ];
  for (const context of ["crop", "slide"] as const) {
    const options = { maxNewTokens: 24, context }, together: number[][] = requests.map(() => []);
    for await (const tokens of generateBatch(model, requests, options)) {
      tokens.forEach(({ id }, row) => together[row].push(id));
    }
    for (const [row, { prompt, ...own }] of requests.entries()) {
      const alone = [], uncached = [];
      for await (const id of generate(model, prompt, { ...options, ...own })) alone.push(id);
      for await (const id of generate(model, prompt, { ...options, ...own, cache: false })) uncached.push(id);
      assertEquals(together[row], alone, `${context}, row ${row}`);
      assertEquals(uncached, alone, `${context}, row ${row} without a cache`);
    }
    assertEquals(new Set(together.map((ids) => ids.join())).size, 4);
  }
});

gpuTest("penalties count what was drawn on the way", async (gpu) => {
  const model = sharpModel(gpu, { n_layer: 1, n_head: 1, n_embd: 8, block_size: 64, vocab_size: 9 });
  const options = { repetitionPenalty: 1.2, frequencyPenalty: 0.5, presencePenalty: 0.4, seed: 3 },
    prompt = [2, 5],
    output: number[] = [];
  for await (const id of generate(model, prompt, { ...options, maxNewTokens: 40 })) {
    const expected = probabilities(await logitsAfter(model, [...prompt, ...output]), options, { prompt, output });
    assertEquals(id, pick(expected, randomUniform(3, samplingStream, output.length)));
    output.push(id);
  }
  assertEquals(output.length, 40);
});

gpuTest("seeds repeat, and samples of one prompt have seeds of their own", async (gpu) => {
  const tokenizer = CharTokenizer.fromText("abcdefghijk");
  const model = sharpModel(gpu, { n_layer: 1, n_head: 2, n_embd: 16, block_size: 12, vocab_size: 11 });
  const write = async (seed: number, count: number) => {
    const texts = new Array<string>(count).fill("");
    const prompts = texts.map(() => "abc");
    for await (const { row, text } of generateTexts(model, tokenizer, prompts, { maxNewTokens: 15, seed })) {
      texts[row] += text;
    }
    return texts;
  };
  const three = await write(40, 3);
  assertEquals(await write(40, 3), three);
  assertEquals(await write(41, 1), [three[1]]);
  assertEquals(new Set(three).size, 3);
});

gpuTest("log-probabilities of a text's tokens are the model's", async (gpu) => {
  const model = sharpModel(gpu, { n_layer: 1, n_head: 2, n_embd: 16, block_size: 12, vocab_size: 11 });
  const ids = [1, 5, 2, 2, 9, 10, 0, 3];
  const [expected] = await logProbsOf(model, [ids]), actual = await tokenLogProbs(model, ids);
  assertEquals(actual.length, 7);
  actual.forEach((value, i) => assertEquals(Math.abs(value - expected[i][ids[i + 1]]) < 1e-5, true, `${i}`));
  const bigram = new Bigram(gpu, { vocab_size: 11, block_size: 12 });
  assertEquals((await tokenLogProbs(bigram, [...ids, ...ids])).length, 11);
  await assertRejects(() => tokenLogProbs(model, [1]), WeftError, "of 1 tokens");
});
