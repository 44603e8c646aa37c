// The course, 3 of 4: the simplest model that learns. A bigram model sees one character and guesses the next: for each
// character it has a row of V numbers, logits, that softmax makes into probabilities. Nothing can do better that sees
// one character alone than counting pairs, and training finds what counting finds.
//   deno run --allow-read examples/course_3_bigram.ts [TEXT_FILE]
import { AdamW, backward, Batches, Bigram, CharTokenizer, evaluate, generate, Gpu, readTextFile } from "../mod.ts";
import { Scope, splitTokens, tensor } from "../mod.ts";

const text = await readTextFile(Deno.args[0] ?? `${import.meta.dirname}/jack.txt`);
const tokenizer = CharTokenizer.fromText(text), V = tokenizer.vocabSize;
const { train, validation } = splitTokens(tokenizer.encode(text));
const B = 32, T = 16;

using gpu = await Gpu.open();
const model = new Bigram(gpu, { vocab_size: V, block_size: T }, { seed: 1337 }); // a table of V × V logits near 0
const batches = new Batches(train, { batchSize: B, blockSize: T, seed: 1337, order: "permutation" });
const unseen = new Batches(validation, { batchSize: B, blockSize: T, seed: 1337 });

async function sample(): Promise<string> {
  const ids: number[] = [];
  for await (const id of generate(model, train.slice(0, 1), { maxNewTokens: 60, seed: 1 })) ids.push(id);
  return JSON.stringify(tokenizer.decode(ids));
}

console.log(`guessing at random: loss ${Math.log(V).toFixed(4)}`);
console.log(`before training it writes: ${await sample()}`);

// Training: guess, see how wrong that was, and change every number a little in the direction that makes it less wrong.
const optimizer = new AdamW(model.parameters(), { weightDecay: 0 });
for (let step = 0; step <= 200; step++) {
  using _ = new Scope(gpu, { grad: true }); // what a step computes is given back at its end
  const { x, y } = batches.at(step);
  const loss = model.loss(tensor(gpu, x, [B, T]), tensor(gpu, y, [B, T])); // the mean over all B · T tasks
  backward(loss); // how the loss changes with each number of the table
  optimizer.step({ lr: step < 150 ? 0.1 : 0.01 }); // large steps first, small ones to come to rest
  if (step % 50 === 0) console.log(`step ${step}: loss ${(await loss.item()).toFixed(4)}`);
}
console.log(`after training it writes: ${await sample()}`);
console.log(`on unseen text: loss ${(await evaluate(model, unseen, { count: 8 })).toFixed(4)}`);
console.log(`on the text that it learned: loss ${(await evaluate(model, batches, { count: 40 })).toFixed(4)}`);

// What counting gives: the mean of −ln(count of the pair / count of its first character).
const pairs = new Float64Array(V * V), firsts = new Float64Array(V);
for (let i = 0; i + 1 < train.length; i++) {
  pairs[train[i] * V + train[i + 1]]++;
  firsts[train[i]]++;
}
let counted = 0;
pairs.forEach((count, i) => {
  if (count > 0) counted -= count / (train.length - 1) * Math.log(count / firsts[Math.floor(i / V)]);
});
console.log(`counting pairs: loss ${counted.toFixed(4)}`);
