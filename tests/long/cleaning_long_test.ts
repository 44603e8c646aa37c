import { assertEquals } from "@std/assert";
import type { Document } from "../../train/cleaning/document.ts";
import { ExactDuplicates } from "../../train/cleaning/exact_duplicates.ts";
import { NearDuplicates } from "../../train/cleaning/near_duplicates.ts";
import { parsePipeline } from "../../train/cleaning/pipeline.ts";
import { documentStages } from "../../train/cleaning/stages.ts";
import { WorkFolder } from "../../train/work_folder.ts";
import { cleanAll } from "../_clean_all.ts";
import { Draws, drawText, generateCorpus } from "../_generated_corpus.ts";

const evaluation = Array.from({ length: 200 }, (_, i) => drawText(new Draws(10_000 + i), 100));

const needed: Record<string, Record<string, unknown>> = {
  language: { min_score: 0 }, // made words are in no language
  blocklist: { words: ["never there", "nor this one"] },
  contamination: { texts: evaluation },
};

const everything = [
  ...Object.keys(documentStages).map((stage) => ({ stage, ...needed[stage] })),
  "exact_duplicates",
  "near_duplicates",
];

Deno.test("all stages together: megabytes per second by workers", async () => {
  const corpus = [...generateCorpus({ seed: 1, documents: 16_000, words: 500 })];
  const bytes = corpus.reduce((sum, { text }) => sum + text.length, 0);
  async function* batches(from: number, to: number): AsyncGenerator<Document[]> {
    for (let i = from; i < to; i += 128) yield await Promise.resolve(corpus.slice(i, Math.min(to, i + 128)));
  }
  for (const workers of [1, 2]) {
    const start = performance.now();
    let kept = 0;
    for await (const { texts } of cleanAll(batches(0, corpus.length), parsePipeline(everything), { workers })) {
      kept += texts.length;
    }
    const seconds = (performance.now() - start) / 1000, speed = bytes / 1e6 / seconds;
    console.log(
      `${workers} workers: ${(bytes / 1e6).toFixed(0)} MB in ${seconds.toFixed(1)} s: ${speed.toFixed(1)} MB/s`,
    );
    assertEquals(kept, corpus.length);
  }
});

Deno.test("a million documents: duplicates in bounded memory", async () => {
  const documents = 1_000_000, size = { bands: 20, rows: 8 }, folder = await Deno.makeTempDir();
  using work = await WorkFolder.open(folder, "");
  const near = new NearDuplicates(work, { ...size, similarity: 0.72, memory: 2 ** 24 }); // two passes per band
  const exact = new ExactDuplicates(), hash = new Uint32Array(4);
  const bands = new Uint32Array(40), sketch = new Uint8Array(160), draws = new Draws(3);
  const words = new Uint32Array(44);
  const sign = (seed: number) => { // signatures as of random texts: the work of making them is not what is asked here
    const own = new Draws(seed);
    for (let i = 0; i < words.length; i++) words[i] = own.below(2 ** 24) * 256 + own.below(256);
    bands.set(words.subarray(0, 40));
    for (let i = 0; i < sketch.length; i++) sketch[i] = words[i % 44] >> i % 24;
    hash.set(words.subarray(40));
  };
  const start = performance.now();
  const seen = new Set<number>();
  let planted = 0, exactFound = 0;
  for (let i = 0; i < documents; i++) {
    const copy = i > 0 && draws.uniform() < 0.2;
    const seed = copy ? draws.below(Math.min(i, 1000)) : i;
    sign(seed);
    if (seed < 1000 && seen.has(seed)) planted++;
    else seen.add(seed);
    if (!exact.add(hash)) exactFound++;
    near.add(bands, 0, sketch, 0);
  }
  const added = performance.now();
  const removed = near.finish().reduce((sum, first, i) => sum + (first === i ? 0 : 1), 0);
  const memory = Deno.memoryUsage();
  console.log(
    `${planted} planted, ${exactFound} exact, ${removed} near; added in ${((added - start) / 1000).toFixed(1)} s, ` +
      `joined in ${((performance.now() - added) / 1000).toFixed(1)} s; ` +
      `${(exact.bytes / exact.size).toFixed(1)} bytes per exact hash, ${(memory.rss / 1e6).toFixed(0)} MB resident`,
  );
  await Deno.remove(folder, { recursive: true });
  assertEquals([exactFound, removed], [planted, planted]);
  assertEquals(exact.bytes <= 32 * exact.size, true);
});
