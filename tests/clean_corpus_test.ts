import { assertEquals, assertRejects } from "@std/assert";
import { cleanCorpus, type Document, parsePipeline, type StageStatistics, WeftError } from "../mod.ts";

const sentence = (i: number) => `The ${i} cats of house ${i * 7} saw ${i * 3} dogs and ${i * 11} birds by the river.`;
const long = (i: number) => Array.from({ length: 12 }, (_, j) => sentence(100 * i + j)).join(" ");

/** 40 texts of their own; of the first ten each once more, in capitals, and once more with its last words changed. */
const corpus: Document[] = Array.from({ length: 40 }, (_, i) => ({ text: `${long(i)}  `, source: `own:${i}` }));
for (let i = 0; i < 10; i++) {
  corpus.push({ text: long(i).toUpperCase(), source: `again:${i}` });
  corpus.push({ text: long(i).replace(/river\.$/, "sea, mail@example.com"), source: `near:${i}` });
}

async function clean(pipeline: unknown, workers: number): Promise<{ kept: Document[]; statistics: StageStatistics[] }> {
  const folder = await Deno.makeTempDir(), kept: Document[] = [], statistics: StageStatistics[] = [];
  async function* documents() {
    yield* corpus;
  }
  for await (const document of cleanCorpus(documents(), parsePipeline(pipeline), { folder, workers, statistics })) {
    kept.push(document);
  }
  await Deno.remove(folder, { recursive: true });
  return { kept, statistics };
}

const all = ["unicode", "redact", "exact_duplicates", "near_duplicates"];

Deno.test("a corpus comes out clean, in its order, each text and what is like it once, and is counted", async () => {
  const { kept, statistics } = await clean(all, 2);
  assertEquals(kept, Array.from({ length: 40 }, (_, i) => ({ text: long(i), source: `own:${i}` })));
  assertEquals(statistics.map(({ stage, documents, documentsKept }) => [stage, documents, documentsKept]), [
    ["unicode", 60, 60],
    ["redact", 60, 60],
    ["exact_duplicates", 60, 50],
    ["near_duplicates", 50, 40],
  ]);
  assertEquals(statistics[0].changed, 40);
  assertEquals(statistics[1].counts, { EMAIL: 10 });
  assertEquals(statistics[3].examples["near duplicate"][0].source, "near:0");
});

Deno.test("without stages over the corpus everything stays, with the first of them what is alike does", async () => {
  assertEquals((await clean(["redact"], 0)).kept.length, 60);
  const { kept } = await clean(["exact_duplicates"], 0);
  assertEquals(kept.map(({ source }) => source.split(":")[0]).filter((kind) => kind !== "own"), Array(10).fill("near"));
});

Deno.test("the number of workers changes nothing", async () => {
  const first = await clean(all, 0);
  for (const workers of [1, 3]) assertEquals(await clean(all, workers), first);
});

Deno.test("a folder that cannot be written is one clear error", async () => {
  async function* documents() {
    yield* corpus;
  }
  const folder = await Deno.makeTempDir();
  await Deno.mkdir(`${folder}/something`);
  const run = async () => {
    for await (const _ of cleanCorpus(documents(), parsePipeline(all), { folder, workers: 0 }));
  };
  await assertRejects(run, WeftError, "is needed to work in, and holds something: move it away");
  await Deno.remove(folder, { recursive: true });
});
