// The course, 4 of 4: a GPT. It has the same task as the bigram model and sees more: all characters of the chunk before
// the one that it guesses, through attention. So it can do what no table of pairs can, and gets below its loss, which the
// third program prints.
//   deno run --allow-read examples/course_4_gpt.ts [TEXT_FILE]
import { AdamW, backward, Batches, CharTokenizer, evaluate, generate, Gpt, Gpu, learningRateAt } from "../mod.ts";
import { readTextFile, Scope, splitTokens, tensor } from "../mod.ts";

const text = await readTextFile(Deno.args[0] ?? `${import.meta.dirname}/jack.txt`);
const tokenizer = CharTokenizer.fromText(text), V = tokenizer.vocabSize;
const { train, validation } = splitTokens(tokenizer.encode(text));
const B = 8, T = 32, steps = 150;

using gpu = await Gpu.open();
// One block, of attention with four heads and a small network, and a vector of 64 numbers for each place. GPT-2's smallest
// has twelve blocks, twelve heads and 768 numbers; the code is the same.
const model = new Gpt(gpu, { n_layer: 1, n_head: 4, n_embd: 64, block_size: T, vocab_size: V }, { seed: 1337 });
let count = 0;
for (const { size } of model.parameters().values()) count += size;
console.log(`a GPT of ${count} parameters; a bigram model of this text has ${V * V}`);

const batches = new Batches(train, { batchSize: B, blockSize: T, seed: 1337 });
const seen = new Batches(train, { batchSize: B, blockSize: T, seed: 1337, stream: 1 });
const unseen = new Batches(validation, { batchSize: B, blockSize: T, seed: 1337, stream: 2 });
console.log(`guessing at random: loss ${Math.log(V).toFixed(4)}`);

// The loop is the bigram model's. What is new: the learning rate rises at first, while the moments of AdamW are poor,
// and falls towards the end; and a gradient that is too long is cut.
const optimizer = new AdamW(model.parameters());
const schedule = { learningRate: 1e-2, minLr: 1e-3, warmupIters: 10, lrDecayIters: steps };
for (let step = 0; step <= steps; step++) {
  using _ = new Scope(gpu, { grad: true });
  const { x, y } = batches.at(step);
  const loss = model.loss(tensor(gpu, x, [B, T]), tensor(gpu, y, [B, T]));
  backward(loss);
  optimizer.step({ lr: learningRateAt(step, schedule), clip: 1 });
  if (step % 30 === 0) console.log(`step ${step}: loss ${(await loss.item()).toFixed(4)}`);
}

// The end of this rhyme says what its verses said before, so that unseen text is as easy as what was learned. On other
// texts, and short ones above all, it is not.
console.log(`on the text that it learned: loss ${(await evaluate(model, seen, { count: 8 })).toFixed(4)}`);
console.log(`on unseen text: loss ${(await evaluate(model, unseen, { count: 8 })).toFixed(4)}`);

const ids: number[] = [];
for await (
  const id of generate(model, tokenizer.encode(text.slice(0, 1)), { maxNewTokens: 120, temperature: 0.5, seed: 1 })
) {
  ids.push(id);
}
console.log(`it writes: ${JSON.stringify(tokenizer.decode(ids))}`);
