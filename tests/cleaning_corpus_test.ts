import { assertEquals } from "@std/assert";
import type { Document } from "../train/cleaning/document.ts";
import { ExactDuplicates } from "../train/cleaning/exact_duplicates.ts";
import { NearDuplicates, type NearDuplicatesOptions } from "../train/cleaning/near_duplicates.ts";
import { parsePipeline } from "../train/cleaning/pipeline.ts";
import { WorkFolder } from "../train/work_folder.ts";
import { cleanAll } from "./_clean_all.ts";
import { generateCorpus } from "./_generated_corpus.ts";

Deno.test("a generated corpus goes through all stages: duplicates and private data are found, the rest stays", async () => {
  const stages = parsePipeline([
    "mojibake",
    "html",
    "unicode",
    { stage: "boilerplate", min_words_per_line: 3 },
    { stage: "language", min_score: 0 }, // made words are in no language
    "gopher_quality",
    "gopher_repetition",
    "c4_quality",
    { stage: "blocklist", words: ["never there"] },
    { stage: "contamination", texts: ["one two three four five six seven eight nine ten eleven twelve thirteen"] },
    "redact",
    "exact_duplicates",
    "near_duplicates",
  ]);
  const corpus = [...generateCorpus({ seed: 21, documents: 1500, words: 200, exact: 0.1, near: 0.1, private: 0.2 })];
  async function* batches(): AsyncGenerator<Document[]> {
    for (let i = 0; i < corpus.length; i += 64) yield await Promise.resolve(corpus.slice(i, i + 64));
  }

  const folder = await Deno.makeTempDir(), exact = new ExactDuplicates();
  const options = stages.at(-1)!.options as unknown as NearDuplicatesOptions;
  using work = await WorkFolder.open(folder, "");
  const near = new NearDuplicates(work, options);
  const dropped = new Map<string, number>(), kinds: string[] = [];
  const drop = (kind: string, by: string) =>
    dropped.set(`${kind} by ${by}`, (dropped.get(`${kind} by ${by}`) ?? 0) + 1);
  let at = 0, placeholders = 0;
  for await (const batch of cleanAll(batches(), stages, { workers: 2 })) {
    const survivors = new Map([...batch.indices].map((index, n) => [index, n]));
    for (let i = 0; i < Math.min(64, corpus.length - at); i++) {
      const kind = corpus[at + i].source.split(":")[0], n = survivors.get(i);
      if (n === undefined) drop(kind, "a stage");
      else if (!exact.add(batch.hashes, 4 * n)) drop(kind, "exact");
      else {
        kinds.push(kind);
        placeholders += (batch.texts[n].match(/Contact <[A-Z_]+> now\.$/) ?? []).length;
        near.add(batch.bands, n * 2 * options.bands, batch.sketches, n * options.bands * options.rows);
      }
    }
    at += 64;
  }
  for (const [document, first] of near.finish().entries()) if (first !== document) drop(kinds[document], "near");
  await Deno.remove(folder, { recursive: true });

  const planted = Map.groupBy(corpus, ({ source }) => source.split(":")[0]);
  const withPrivate = corpus.filter(({ text }) => /Contact .* now\.$/.test(text)).length;
  const share = (kind: string, by: string) => (dropped.get(`${kind} by ${by}`) ?? 0) / planted.get(kind)!.length;
  console.log(
    `exact ${share("exact", "exact").toFixed(3)}, near ${share("near", "near").toFixed(3)}, ` +
      `private ${(placeholders / withPrivate).toFixed(3)}; others dropped: ${JSON.stringify([...dropped])}`,
  );
  assertEquals(share("exact", "exact") >= 0.99, true);
  assertEquals(share("near", "near") + share("near", "exact") >= 0.97, true); // some are equal
  assertEquals(placeholders >= 0.99 * withPrivate, true);
  assertEquals(["a stage", "exact", "near"].map((by) => share("plain", by)), [0, 0, 0]);
});
