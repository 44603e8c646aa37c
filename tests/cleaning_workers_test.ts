import { assertEquals, assertRejects } from "@std/assert";
import { BatchCleaner, type CleanedBatch } from "../train/cleaning/clean_batch.ts";
import type { Document } from "../train/cleaning/document.ts";
import { parsePipeline, type Stage } from "../train/cleaning/pipeline.ts";
import { cleanAll } from "./_clean_all.ts";
import { generateCorpus } from "./_generated_corpus.ts";

const stages = parsePipeline(["unicode", "gopher_quality", "gopher_repetition", "redact", "near_duplicates"]);

/** Batches of a generated corpus, of which a few are empty. */
async function* batches(count: number, pulled: { count: number } = { count: 0 }): AsyncGenerator<Document[]> {
  const corpus = generateCorpus({ seed: 9, documents: 10 * count, words: 80 });
  for (let i = 0; i < count; i++) {
    pulled.count++;
    const batch = Array.from({ length: i % 4 === 2 ? 0 : 1 + i * 7 % 10 }, () => corpus.next().value!);
    await Promise.resolve();
    yield batch;
  }
}

const all = async (count: number, workers: number) =>
  await Array.fromAsync(cleanAll(batches(count), stages, { workers }));

Deno.test("one, two, three workers and none give the same, in the order of the input", async () => {
  const expected: CleanedBatch[] = [], cleaner = new BatchCleaner(stages);
  for await (const batch of batches(23)) expected.push(cleaner.clean(batch));
  const survivors = expected.reduce((sum, { texts }) => sum + texts.length, 0);
  const dropped = expected.some(({ statistics }) => statistics[1].documents > statistics[1].documentsKept);
  assertEquals([survivors > 50, dropped], [true, true]);
  for (const workers of [0, 1, 2, 3]) assertEquals(await all(23, workers), expected, `${workers} workers`);
});

Deno.test("a cleaned batch has hashes and signatures of its survivors alone", () => {
  const long = "These are the words of a text that has enough of them to be kept and to have a signature with bands. ";
  const short = parsePipeline([{ stage: "gopher_quality", min_words: 5 }, {
    stage: "near_duplicates",
    bands: 3,
    rows: 2,
  }]);
  const documents = [long, "short", long + "!", "no"].map((text, i) => ({ text, source: `a:${i}` }));
  const batch = new BatchCleaner(short).clean(documents);
  assertEquals([batch.texts, [...batch.indices]], [[long, long + "!"], [0, 2]]);
  assertEquals([batch.hashes.length, batch.signed.length, batch.bands.length, batch.sketches.length], [8, 2, 12, 12]);
  assertEquals(batch.bands.slice(0, 6), batch.bands.slice(6)); // but for punctuation they are alike
  const plain = new BatchCleaner(parsePipeline(["unicode"])).clean(documents);
  assertEquals([plain.texts.length, plain.signed.length, plain.bands.length, plain.sketches.length], [4, 0, 0, 0]);
});

Deno.test("no more batches are read ahead than two per worker", async () => {
  const pulled = { count: 0 };
  let taken = 0;
  for await (const _ of cleanAll(batches(20, pulled), stages, { workers: 2 })) {
    taken++;
    assertEquals(pulled.count - taken <= 4, true, `${pulled.count} read when ${taken} were taken`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assertEquals(taken, 20);
});

Deno.test("whoever stops early stops the workers and the reader", async () => {
  let ended = false;
  async function* reader() {
    try {
      yield* batches(50);
    } finally {
      ended = true;
    }
  }
  for await (const _ of cleanAll(reader(), stages, { workers: 2 })) break;
  assertEquals(ended, true);
});

Deno.test("an error of a worker comes out in place of its batch, with the document's source", async () => {
  async function* bad(): AsyncGenerator<Document[]> {
    yield [{ text: "good", source: "a:1" }];
    await Promise.resolve();
    yield [{ text: "good", source: "a:2" }, { text: 7 as unknown as string, source: "a:3" }];
    yield [{ text: "good", source: "a:4" }];
  }
  for (const workers of [0, 1, 2]) {
    const texts: string[] = [];
    await assertRejects(
      async () => {
        for await (const batch of cleanAll(bad(), parsePipeline(["unicode"]), { workers })) texts.push(...batch.texts);
      },
      Error,
      "a:3: ",
    );
    assertEquals(texts, ["good"]);
  }
});

Deno.test("a worker that cannot begin is an error, and so is a reader that fails", async () => {
  const unknown: Stage[] = [{ stage: "gopher_quality", options: {} }]; // not of `parsePipeline`
  await assertRejects(async () => {
    for await (const _ of cleanAll(batches(3), unknown, { workers: 2 }));
  });
  async function* failing(): AsyncGenerator<Document[]> {
    yield* batches(1);
    throw new Error("the disk is gone");
  }
  await assertRejects(
    async () => {
      for await (const _ of cleanAll(failing(), stages, { workers: 2 }));
    },
    Error,
    "the disk is gone",
  );
});

Deno.test("a program that has cleaned ends, and so does one that stopped early", async () => {
  const program = `
    import { cleanAll } from "${new URL("./_clean_all.ts", import.meta.url)}";
    async function* batches() { for (;;) yield [{ text: "text", source: "" }]; }
    for await (const _ of cleanAll(batches(), [], { workers: 2 })) break;
  `;
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(file, program);
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--allow-read", file],
    signal: AbortSignal.timeout(20_000),
  }).output();
  await Deno.remove(file);
  assertEquals(code, 0);
});
