import type { Document } from "./document.ts";
import { ExactDuplicates } from "./exact_duplicates.ts";
import { NearDuplicates, type NearDuplicatesOptions } from "./near_duplicates.ts";
import type { Stage } from "./pipeline.ts";
import { RecordLog } from "./record_log.ts";
import {
  addStatistics,
  countDropped,
  countKept,
  emptyStatistics,
  type StageStatistics,
  utf8Length,
} from "./statistics.ts";
import { hashWords } from "./text_hash.ts";
import { cleanAll } from "./worker_pool.ts";

/** How a corpus is cleaned. */
export interface CleanCorpusOptions {
  /** An empty folder for what does not fit memory: survivors, signatures. It stays to whoever made it. */
  readonly folder: string;
  /** Web Workers. Default: one for each core. */
  readonly workers?: number;
  /** Receives what each stage did, one after the other in the order of the pipeline. */
  readonly statistics?: StageStatistics[];
}

const batchCharacters = 1 << 18;

/**
 * Sends documents through a whole pipeline: the stages of each document in Web Workers, then the stages over the corpus.
 * What comes out, and in which order, depends on the documents and the stages alone.
 *
 * With `near_duplicates` nothing comes out before everything has come in: survivors wait in a file.
 *
 * @throws {WeftError} when the folder cannot be written.
 *
 * @example
 * ```ts
 * import { cleanCorpus } from "./clean_corpus.ts";
 * import { parsePipeline } from "./pipeline.ts";
 * async function* documents() {
 *   for (const text of ["One  ", "one", "Two"]) yield { text, source: "file" };
 * }
 * const folder = await Deno.makeTempDir();
 * for await (const { text } of cleanCorpus(documents(), parsePipeline(["unicode", "exact_duplicates"]), { folder })) {
 *   console.log(text); // One, Two
 * }
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export async function* cleanCorpus(
  documents: AsyncIterable<Document>,
  stages: readonly Stage[],
  options: CleanCorpusOptions,
): AsyncGenerator<Document, void, undefined> {
  const { folder, workers, statistics = [] } = options;
  const survivors = distinct(documents, stages, workers, statistics);
  const size = stages.find(({ stage }) => stage === "near_duplicates")?.options as NearDuplicatesOptions | undefined;
  if (size === undefined) {
    for await (const { document } of survivors) yield document;
    return;
  }
  await Deno.mkdir(`${folder}/signatures`);
  using near = new NearDuplicates(`${folder}/signatures`, size);
  using log = new RecordLog(`${folder}/survivors`);
  for await (const { document, sign } of survivors) {
    sign(near);
    log.add(JSON.stringify([document.source, document.text]));
  }
  const first = near.finish(), counted = emptyStatistics("near_duplicates");
  statistics.push(counted);
  let number = 0;
  for (const record of log.read()) {
    const [source, text] = JSON.parse(record) as [string, string];
    const document = { source, text };
    if (count(counted, document, first[number] !== number, "near duplicate")) yield document;
    number++;
  }
}

interface Survivor {
  readonly document: Document;
  /** Hands the document's signature over. */
  readonly sign: (near: NearDuplicates) => void;
}

/** What the stages of each document, and with its stage the search for exact duplicates, leave. */
async function* distinct(
  documents: AsyncIterable<Document>,
  stages: readonly Stage[],
  workers: number | undefined,
  statistics: StageStatistics[],
): AsyncGenerator<Survivor, void, undefined> {
  const exact = stages.some(({ stage }) => stage === "exact_duplicates") ? new ExactDuplicates() : undefined;
  const counted = emptyStatistics("exact_duplicates"), sources: string[][] = [];
  const batches = (async function* () {
    for await (const batch of inBatches(documents)) {
      sources.push(batch.map(({ source }) => source));
      yield batch;
    }
  })();
  for await (const batch of cleanAll(batches, stages, { workers })) {
    const from = sources.shift()!, { texts, indices, hashes, signed, bands, sketches } = batch;
    if (statistics.length === 0) statistics.push(...batch.statistics);
    else addStatistics(statistics, batch.statistics);
    const bandsEach = bands.length / texts.length, sketchEach = sketches.length / texts.length;
    for (const [n, text] of texts.entries()) {
      const document = { text, source: from[indices[n]] };
      if (exact !== undefined && !count(counted, document, !exact.add(hashes, n * hashWords), "exact duplicate")) {
        continue;
      }
      const sign = (near: NearDuplicates) =>
        signed[n] === 1 ? near.add(bands, n * bandsEach, sketches, n * sketchEach) : near.addUnsigned();
      yield { document, sign };
    }
  }
  if (exact !== undefined) statistics.push(counted);
}

/** Counts a document as kept, or as dropped for that reason; says whether it is kept. */
function count(statistics: StageStatistics, document: Document, drops: boolean, reason: string): boolean {
  const bytes = utf8Length(document.text);
  if (drops) countDropped(statistics, document, bytes, reason);
  else countKept(statistics, document, bytes, document.text);
  return !drops;
}

/** Documents in batches of about as many characters: a message to a worker for each would cost more than cleaning. */
async function* inBatches(documents: AsyncIterable<Document>): AsyncGenerator<Document[]> {
  let batch: Document[] = [], characters = 0;
  for await (const { text, source } of documents) {
    batch.push({ text, source }); // and nothing else that a reader has put there
    characters += text.length + 100;
    if (characters < batchCharacters) continue;
    yield batch;
    batch = [];
    characters = 0;
  }
  if (batch.length > 0) yield batch;
}
