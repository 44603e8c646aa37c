import { assertAlmostEquals, assertEquals } from "@std/assert";
import { Batches, Gpt, randomU32, Scope, ShardWriter, tensor, TokenShards, WorkFolder } from "../mod.ts";
import { gpuTest } from "./_check_op.ts";

const T = 4, end = 0, notCounted = -100;

/** Documents of these lengths, an end of text behind each; any other token says its place. */
function corpus(lengths: readonly number[]): Int32Array<ArrayBuffer> {
  const ids: number[] = [];
  for (const length of lengths) {
    for (let i = 0; i < length; i++) ids.push(ids.length + 1); // the token at place p is p + 1
    ids.push(end);
  }
  return Int32Array.from(ids);
}

const lengths = [9, 0, 1, 2, 3, 4, 5, 30, 0, 0, 7, 8, 500, 1, 62, 63, 64, 65, 3];
const tokens = corpus(lengths);

interface Row {
  /** Place of its first token among all; none can be told of an empty document. */
  readonly start?: number;
  /** How many of its targets are counted. */
  readonly counted: number;
}

/** Takes rows apart, and checks that each ends where its document does, with `last`, and is filled up as it should be. */
function rowsOf({ x, y }: { x: Int32Array; y: Int32Array }, last = end): Row[] {
  const rows: Row[] = [];
  for (let from = 0; from < x.length; from += T) {
    const inputs = [...x.subarray(from, from + T)], targets = [...y.subarray(from, from + T)];
    const counted = targets.includes(notCounted) ? targets.indexOf(notCounted) : T;
    assertEquals(counted > 0, true);
    assertEquals(targets.slice(counted), Array(T - counted).fill(notCounted));
    if (counted < T) assertEquals(inputs.slice(counted), [targets[counted - 1], ...Array(T - counted - 1).fill(end)]);
    assertEquals(targets.slice(0, counted - 1), inputs.slice(1, counted));
    assertEquals(inputs.slice(1, counted).includes(end), false, "a row goes on in the next document");
    if (counted < T) assertEquals(targets[counted - 1], last);
    const start = inputs[0] !== end ? inputs[0] - 1 : targets[0] !== end ? targets[0] - 2 : undefined;
    for (let i = 1; start !== undefined && i < counted; i++) assertEquals(inputs[i], start + i + 1);
    rows.push({ start, counted });
  }
  return rows;
}

/** Where the chunks of documents begin that are not empty, and how long they are. */
function expectedChunks(): Map<number, number> {
  const all = new Map<number, number>();
  for (let from = -1; from + 1 < tokens.length;) {
    const next = tokens.indexOf(end, from + 1);
    const first = Math.max(from, 0); // before the first document there is no end of text
    for (let start = first; next > from + 1 && start < next; start += T) all.set(start, Math.min(T, next - start));
    from = next;
  }
  return all;
}

const options = { batchSize: 3, blockSize: T, seed: 5, endOfText: end };
const reach = 16 * T, long = tokens.indexOf(82) - 1; // where the document of 500 tokens begins
/** Whether a place is so far from its document's beginning that chunks begin anywhere. */
const isFar = (start: number) => start - Math.max(0, tokens.lastIndexOf(end, start)) >= reach;

for (const order of ["random", "permutation"] as const) {
  Deno.test(`${order}: a row is a chunk of one document, cut from its beginning on, and each is drawn`, () => {
    const chunks = expectedChunks(), batches = new Batches(tokens, { ...options, order }), seen = new Set<number>();
    for (let i = 0; i < 3000; i++) {
      for (const { start, counted } of rowsOf(batches.at(i))) {
        if (start === undefined) continue;
        seen.add(start);
        if (isFar(start)) assertEquals(counted, Math.min(T, tokens.indexOf(end, start + 1) - start));
        else assertEquals(counted, chunks.get(start), `the chunk from ${start} on`);
      }
    }
    assertEquals([...chunks.keys()].filter((start) => !isFar(start) && !seen.has(start)), []);
  });

  Deno.test(`${order}: batches of documents are a function of their number, wherever the tokens are`, async () => {
    const folder = await Deno.makeTempDir();
    try {
      using work = await WorkFolder.open(folder, "");
      const writer = new ShardWriter(work, "train", { type: "uint16", format: "llm.c", shardTokens: 37 });
      writer.write(tokens);
      const paths = (writer.end()).map(({ name }) => `${folder}/${name}`);
      using cached = TokenShards.open(paths);
      using onDisk = TokenShards.open(paths, { cacheBytes: 0 });
      const whole = new Batches(tokens, { ...options, order });
      const expected = Array.from({ length: 400 }, (_, i) => whole.at(i));
      for (const source of [cached, onDisk]) {
        const resumed = new Batches(source, { ...options, order }); // from the middle on, without what was before
        for (let i = 200; i < 400; i++) assertEquals(resumed.at(i), expected[i]);
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

Deno.test("permutation: an epoch has every full chunk once, and no target twice; shorter chunks come in some epochs", () => {
  const batches = new Batches(tokens, { ...options, batchSize: 1, order: "permutation" });
  const chunks = expectedChunks(), epochs = 200, drawn = new Map<number, number>();
  assertEquals(batches.chunks, Math.floor((tokens.length - 1) / T));
  for (let epoch = 0; epoch < epochs; epoch++) {
    const targets = new Set<number>(), starts = new Set<number>();
    let targetsFar = 0;
    for (let i = 0; i < batches.chunks; i++) {
      const [{ start, counted }] = rowsOf(batches.at(epoch * batches.chunks + i));
      if (start === undefined) continue;
      starts.add(start);
      drawn.set(start, (drawn.get(start) ?? 0) + 1);
      if (start >= long + reach && start < long + 501) targetsFar += counted;
      for (let k = 0; k < counted; k++) {
        assertEquals(targets.has(start + k), false, `epoch ${epoch} has the target ${start + k} twice`);
        targets.add(start + k);
      }
    }
    // the last chunk may be cut off by the end of the data
    const full = [...chunks].filter(([start, counted]) => counted === T && start + 2 * T < tokens.length);
    assertEquals(full.filter(([start]) => !isFar(start) && !starts.has(start)), []);
    assertEquals(targetsFar > 501 - reach - T, true); // behind the reach less than a chunk is left out
  }
  for (const [start, counted] of chunks) {
    if (isFar(start) || start + 2 * T >= tokens.length) continue;
    const share = drawn.get(start)! / epochs;
    assertEquals(Math.abs(share - counted / T) < 0.12, true, `${start}: ${share} of epochs, ${counted} of ${T}`);
  }
});

Deno.test("random: a chunk is drawn in proportion to its length", () => {
  const batches = new Batches(corpus([3, 7, 5, 2]), { ...options, batchSize: 500 }), drawn = new Map<number, number>();
  for (let i = 0; i < 20; i++) {
    for (const { start } of rowsOf(batches.at(i))) drawn.set(start!, (drawn.get(start!) ?? 0) + 1);
  }
  // 20 positions that have a target: 3 of the first document, 8 = 4 + 4, 6 = 4 + 2 and 3 of the others
  const counts = [...drawn].sort(([a], [b]) => a - b).map(([start, count]) => [start, Math.round(count / 500)]);
  assertEquals(counts, [[0, 3], [3, 4], [7, 4], [11, 4], [15, 2], [17, 3]]);
});

Deno.test("random lengths: rows never go from one document into the next", () => {
  for (let seed = 0; seed < 40; seed++) {
    const some = Array.from({ length: 30 }, (_, i) => randomU32(seed, 0, i) % (seed + 2));
    const ids = corpus([...some, T]);
    for (const order of ["random", "permutation"] as const) {
      const batches = new Batches(ids, { ...options, seed, order });
      for (let i = 0; i < 40; i++) rowsOf(batches.at(i));
    }
  }
});

Deno.test("tokens without an end of text are one document", () => {
  const ids = Int32Array.from({ length: 200 }, (_, i) => i + 1);
  const rows = rowsOf(new Batches(ids, { ...options, batchSize: 2000 }).at(0), 200), starts = new Set<number>();
  for (const { start, counted } of rows) {
    starts.add(start!);
    assertEquals(counted, Math.min(T, 199 - start!));
  }
  const grid = Array.from({ length: 16 }, (_, i) => i * T),
    anywhere = Array.from({ length: 199 - reach }, (_, i) => reach + i);
  assertEquals([...starts].sort((a, b) => a - b), [...grid, ...anywhere]);
});

gpuTest("a GPT's loss is the mean over what is counted, whatever fills a row up", async (gpu) => {
  const model = new Gpt(gpu, { n_layer: 1, n_head: 2, n_embd: 16, block_size: T, vocab_size: 30 }, { seed: 1 });
  model.training = false;
  const { x, y } = new Batches(corpus([3, 7, 5, 2, 1]), { ...options, batchSize: 8 }).at(0);
  using _ = new Scope(gpu);
  const loss = async (inputs: Int32Array<ArrayBuffer>) =>
    await model.loss(tensor(gpu, inputs, [8, T]), tensor(gpu, y, [8, T])).item();
  const logits = await model.forward(tensor(gpu, x, [8, T])).read();
  let sum = 0, count = 0;
  for (const [i, target] of y.entries()) {
    if (target === notCounted) continue;
    const row = logits.subarray(30 * i, 30 * (i + 1));
    sum += Math.log(row.reduce((total, logit) => total + Math.exp(logit), 0)) - row[target];
    count++;
  }
  assertEquals(count < y.length, true);
  assertAlmostEquals(await loss(x), sum / count, 1e-5);
  const others = x.map((id, i) => y[i] === notCounted ? 29 : id);
  assertEquals(await loss(others), await loss(x));
});
