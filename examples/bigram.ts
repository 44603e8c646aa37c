// A bigram model: for each character a row of logits of the next one. Counting pairs is the best that it can do, and
// training finds what counting finds.
//   deno run --allow-read examples/bigram.ts [TEXT_FILE]
import { AdamW, backward, Batches, CharTokenizer, crossEntropy, embedding, Gpu, randomNormals } from "../mod.ts";
import { readTextFile, Scope, splitTokens, tensor } from "../mod.ts";

const [path] = Deno.args;
const text = path ? await readTextFile(path) : "she sells sea shells by the sea shore. ".repeat(40);
const tokenizer = CharTokenizer.fromText(text);
const { train } = splitTokens(tokenizer.encode(text));
const V = tokenizer.vocabSize, B = 32, T = 16;

using gpu = await Gpu.open();
const table = tensor(gpu, randomNormals(V * V, { seed: 1337, stream: 0 }), [V, V], { requiresGrad: true });
const optimizer = new AdamW(new Map([["table", table]]), { weightDecay: 0 });
const batches = new Batches(train, { batchSize: B, blockSize: T, seed: 1337 });

for (let step = 0; step <= 300; step++) {
  using _ = new Scope(gpu, { grad: true });
  const { x, y } = batches.at(step);
  const logits = embedding(table, tensor(gpu, x, [B, T])); // (B, T, V)
  const loss = crossEntropy(logits, tensor(gpu, y, [B, T]));
  backward(loss);
  optimizer.step({ lr: 0.1 });
  if (step % 100 === 0) console.log(`step ${step}: loss ${(await loss.item()).toFixed(4)}`);
}

// What counting gives: the mean of −log(count of the pair / count of its first character).
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
