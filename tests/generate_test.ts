import { assertEquals, assertThrows } from "@std/assert";
import { type GptConfig, WeftError } from "../mod.ts";
import { generateBatch } from "../model/generate.ts";
import { gpuTest } from "./_check_op.ts";
import { logProbsOf, sharpModel } from "./_sharp_model.ts";

const small: GptConfig = { n_layer: 2, n_head: 3, n_embd: 18, block_size: 512, vocab_size: 29, bias: true };

/** What the model sees before each token of a text that it continues from `prompt` tokens on. */
function contexts(text: readonly number[], prompt: number, S: number, rule: "crop" | "slide"): number[][] {
  const seen: number[][] = [];
  let begin = Math.max(0, prompt - S);
  for (let end = prompt; end < text.length; end++) {
    if (end - begin > S) begin = rule === "crop" ? end - S : end - Math.max(1, S >> 1);
    seen.push(text.slice(begin, end));
  }
  return seen;
}

for (
  const [name, S, lengths, context] of [
    ["within the block", 512, [5], "crop"],
    ["a batch within the block", 512, [5, 1, 12], "crop"],
    ["cropped", 32, [5], "crop"],
    ["a batch cropped", 32, [3, 40, 31], "crop"],
    ["sliding", 32, [40], "slide"],
    ["a batch sliding", 33, [5, 33, 80], "slide"],
  ] as const
) {
  gpuTest(`500 greedy tokens from the cache are the model's own: ${name}`, async (gpu) => {
    // Widths of 64 have matrices in textures on CPU adapters, others have not.
    const width = S === 512 ? { n_embd: 64, n_head: 4 } : {};
    const model = sharpModel(gpu, { ...small, ...width, block_size: S }, 1, 0.2), steps = 500;
    const prompts = lengths.map((length, row) => Array.from({ length }, (_, i) => (7 * i * i + 3 * row + i) % 29));

    const texts = prompts.map((prompt) => [...prompt]), logProbs: number[][] = prompts.map(() => []);
    const requests = prompts.map((prompt) => ({ prompt, temperature: 0 }));
    for await (const tokens of generateBatch(model, requests, { maxNewTokens: steps, context })) {
      tokens.forEach(({ id, logProb }, row) => {
        texts[row].push(id);
        logProbs[row].push(logProb);
      });
    }
    let kinds = 0;
    for (const [row, text] of texts.entries()) {
      const seen = contexts(text, prompts[row].length, S, context);
      // What begins in the same place is one pass: padded on the right, which no place before sees.
      const groups = Map.groupBy(seen.keys(), (i) => text.length && prompts[row].length + i - seen[i].length);
      const longest = Math.max(...seen.map(({ length }) => length));
      const passes = [...groups.values()].map((members) => {
        const last = seen[members.at(-1)!];
        return [...last, ...new Array(longest - last.length).fill(0)];
      });
      const expected = await logProbsOf(model, passes);
      [...groups.values()].forEach((members, pass) => {
        for (const i of members) {
          const next = expected[pass][seen[i].length - 1], likeliest = next.indexOf(Math.max(...next));
          assertEquals(text[prompts[row].length + i], likeliest, `row ${row}, token ${i}`);
          const off = Math.abs(logProbs[row][i] - next[likeliest]);
          assertEquals(off < 1e-4, true, `row ${row}, token ${i}: log-probability off by ${off}`);
        }
      });
      assertEquals(logProbs[row].length, steps);
      kinds += new Set(text).size;
    }
    assertEquals(kinds > 5 * texts.length, true); // else a model that says one thing would pass
  });
}

gpuTest("a model in float16 generates from a cache in float16", async (gpu) => {
  const model = sharpModel(gpu, { ...small, block_size: 48 });
  if (!gpu.hasF16) {
    return assertThrows(() => Object.assign(model, { dtype: "f16" }).newCache(1), WeftError, "f32 alone");
  }
  model.dtype = "f16";
  for (const context of ["crop", "slide"] as const) {
    const prompt = [3, 1, 4, 1, 5], text = [...prompt], logProbs: number[] = [];
    for await (
      const [{ id, logProb }] of generateBatch(model, [{ prompt, temperature: 0 }], { maxNewTokens: 60, context })
    ) {
      text.push(id);
      logProbs.push(logProb);
    }
    for (const [i, seen] of contexts(text, 5, 48, context).entries()) {
      if (i % 9 > 0) continue;
      const [after] = await logProbsOf(model, [seen]), next = after.at(-1)!;
      const off = Math.abs(logProbs[i] - next[text[5 + i]]), worse = Math.max(...next) - next[text[5 + i]];
      assertEquals(off < 0.03 && worse < 0.03, true, `token ${i}: off by ${off}, ${worse} below the likeliest`);
    }
  }
});

gpuTest("the memory of a generation is given back, when it is left early, too", async (gpu) => {
  const model = sharpModel(gpu, { ...small, n_embd: 64, n_head: 4, block_size: 16 });
  const bindGroups: number[] = [];
  let before: number | undefined;
  for (const maxNewTokens of [30, 30, 30, 5]) {
    let count = 0;
    for await (const _ of generateBatch(model, [{ prompt: [1] }, { prompt: [2, 3] }], { maxNewTokens })) {
      if (++count === 20) break;
    }
    await gpu.finish();
    before ??= gpu.memory.bytesInUse; // the weights may have textures now, and keep them
    assertEquals(gpu.memory.bytesInUse, before);
    bindGroups.push(gpu.recorder.bindGroups);
  }
  assertEquals(bindGroups[2], bindGroups[1]); // what a generation binds anew is forgotten with it
});
