// The course, 2 of 4: what a model learns from. The text is split in two, and batches of chunks are cut out of the
// first part. Every place in a chunk is a task: given what came so far, which character comes next?
//   deno run --allow-read examples/course_2_batches.ts [TEXT_FILE]
import { Batches, CharTokenizer, readTextFile, splitTokens } from "../mod.ts";

const text = await readTextFile(Deno.args[0] ?? `${import.meta.dirname}/jack.txt`);
const tokenizer = CharTokenizer.fromText(text);
const show = (ids: ArrayLike<number>) => JSON.stringify(tokenizer.decode(ids));

// The last tenth is kept away from the model. Its loss there says whether it has learned the language or the text by
// heart.
const { train, validation } = splitTokens(tokenizer.encode(text), 0.9);
console.log(`${train.length} tokens to learn from, ${validation.length} to validate on`);

// A batch has B chunks of T tokens, x, and for each token the one that follows it, y: the same chunk, one place on.
const B = 4, T = 8;
const batches = new Batches(train, { batchSize: B, blockSize: T, seed: 1337 });
const { x, y } = batches.at(0);
console.log(`\nthe first batch, ${B} chunks of ${T} tokens:`);
for (let b = 0; b < B; b++) {
  const row = (ids: Int32Array) => ids.subarray(b * T, (b + 1) * T);
  console.log(`  x ${show(row(x)).padEnd(14)} y ${show(row(y)).padEnd(14)} x in numbers: ${row(x).join(" ")}`);
}

// So one chunk holds T tasks, of contexts from one token to T.
console.log("\nthe tasks in the first chunk:");
for (let t = 0; t < T; t++) console.log(`  after ${show(x.subarray(0, t + 1)).padEnd(14)} comes ${show([y[t]])}`);

// Which chunks are in a batch is computed from the seed and the number of the batch, nothing else: no matter what was
// drawn before, batch 1000 is batch 1000. A run that was stopped goes on with the very batches that it would have had.
const again = new Batches(train, { batchSize: B, blockSize: T, seed: 1337 });
const same = again.at(1000).x.every((id, i) => id === batches.at(1000).x[i]);
console.log(`\nbatch 1000, drawn anew: ${same ? "the same" : "another"}`);

// Random chunks overlap: as many of them as would cover the text once leave out more than a third, 1/e. In a permutation
// each chunk comes once in an epoch, in an order that is another one in the next epoch.
const places = Int32Array.from(train.keys()); // tokens that say where they are
for (const order of ["random", "permutation"] as const) {
  const one = new Batches(places, { batchSize: 1, blockSize: T, seed: 1337, order });
  const epoch = Math.floor((train.length - 1) / T), covered = new Uint8Array(train.length);
  for (let i = 0; i < epoch; i++) for (const place of one.at(i).x) covered[place] = 1;
  const share = 100 * covered.reduce((sum, each) => sum + each, 0) / train.length;
  console.log(
    `${epoch} chunks, ${order}, begin at ${one.at(0).x[0]}, ${one.at(1).x[0]}, ${one.at(2).x[0]}, … and cover ${
      share.toFixed(1)
    } %`,
  );
}
