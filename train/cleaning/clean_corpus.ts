import { inWorkers } from "../worker_pool.ts";
import { type GrowingFile, WorkFolder } from "../work_folder.ts";
import { type CleanedBatch, prepareCleaner } from "./clean_batch.ts";
import { type Document, type DocumentSource, inBatches } from "./document.ts";
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

/** How a corpus is cleaned. */
export interface CleanCorpusOptions {
  /** An empty folder for what does not fit memory: survivors, hashes, signatures. It stays to whoever made it. */
  readonly folder: string;
  /** Web Workers. Default: one for each core. */
  readonly workers?: number;
  /** Receives at the end what each stage did, one after the other in the order of the pipeline. */
  readonly statistics?: StageStatistics[];
}

/**
 * Sends documents through a whole pipeline: the stages of each document in Web Workers, then the stages over the corpus.
 * What comes out, and in which order, depends on the documents and the stages alone. Nothing comes out before everything
 * has come in: survivors wait in a file.
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
  using work = await WorkFolder.open(folder, "");
  const survivors = new Survivors(work, stages);
  await survivors.takeIn(() => documents, { workers });
  for (const { text, source } of survivors.read()) yield { text, source };
  statistics.push(...survivors.statistics);
}

/** How far cleaning has come; plain data. */
export interface CleaningState {
  /** What the stages up to exact duplicates have done. */
  readonly statistics: readonly StageStatistics[];
  /** Mark of the last document that was taken in; at the end, as it is after the end. */
  readonly mark?: unknown;
  /** Whether it was the last of all. */
  readonly isDone?: boolean;
}

/** A place among survivors: plain data, from which reading goes on. */
export interface SurvivorPlace {
  /** How many came before. */
  readonly number: number;
  /** Where the next one is in the file. */
  readonly at: number;
  /** What the stage near_duplicates has done until there, where there is one. */
  readonly near?: StageStatistics;
}

/** The cleaned documents of a corpus, in the files of a folder. */
export class Survivors {
  /** What the stages did, one after the other; that of near_duplicates as far as was read last. */
  readonly statistics: StageStatistics[];
  readonly #stages: readonly Stage[];
  readonly #state: CleaningState | undefined;
  readonly #log: RecordLog;
  readonly #exact: ExactDuplicates | undefined;
  readonly #hashes: GrowingFile;
  readonly #near: NearDuplicates | undefined;
  #clusters: Uint32Array | undefined;

  /** Goes on with the files of the folder, which are as they were in that state. */
  constructor(
    folder: { file(name: string): GrowingFile },
    stages: readonly Stage[],
    state?: CleaningState,
  ) {
    const options = (name: string) => stages.find(({ stage }) => stage === name)?.options;
    const near = options("near_duplicates") as NearDuplicatesOptions | undefined;
    this.#stages = stages;
    this.#state = state;
    this.statistics = structuredClone([...state?.statistics ?? []]);
    this.#log = new RecordLog(folder.file("survivors"));
    this.#hashes = folder.file("hashes");
    this.#exact = options("exact_duplicates") && new ExactDuplicates();
    this.#near = near && new NearDuplicates(folder, near);
  }

  /**
   * Takes documents in, after those that were, through all stages but near_duplicates. `onBatch` is called with how far it
   * has come whenever the files are in that state.
   */
  async takeIn(
    documents: DocumentSource,
    options: { readonly workers?: number; readonly onBatch?: (state: CleaningState) => void } = {},
  ): Promise<CleaningState> {
    if (this.#state?.isDone) return this.#state;
    this.#readHashes();
    const { workers, onBatch } = options, from = this.#state?.mark;
    let last: Document | undefined;
    const watched = (async function* () {
      for await (const document of documents(from)) yield last = document;
    })();
    const work = { url: new URL("./clean_worker.ts", import.meta.url), prepare: prepareCleaner, setup: this.#stages };
    const counted = this.#exact && (this.statistics.pop() ?? emptyStatistics("exact_duplicates"));
    const statistics = () => counted === undefined ? this.statistics : [...this.statistics, counted];
    for await (const { input, output } of inWorkers(inBatches(watched), { ...work, workers })) {
      if (this.statistics.length === 0) this.statistics.push(...output.statistics);
      else addStatistics(this.statistics, output.statistics);
      this.#add(output, input.documents, counted);
      if (input.mark !== undefined) onBatch?.({ statistics: statistics(), mark: input.mark });
    }
    if (counted !== undefined) this.statistics.push(counted);
    return { statistics: this.statistics, mark: last?.mark?.() ?? from, isDone: true };
  }

  /** The survivors, from the first or from a place on. What near_duplicates drops is not among them. */
  *read(from?: SurvivorPlace): Generator<Document & { readonly mark: () => SurvivorPlace }, void, undefined> {
    const near = this.#near && (structuredClone(from?.near) ?? emptyStatistics("near_duplicates"));
    const others = this.statistics.filter(({ stage }) => stage !== "near_duplicates");
    this.statistics.splice(0, Infinity, ...others, ...near ? [near] : []);
    const clusters = this.#near && (this.#clusters ??= this.#near.finish());
    let number = from?.number ?? 0;
    for (const { text: record, next } of this.#log.read(from?.at)) {
      const [source, text] = JSON.parse(record) as [string, string], document = { source, text };
      const isKept = !near || count(near, document, clusters![number] !== number, "near duplicate");
      const after = ++number;
      if (isKept) yield { ...document, mark: () => ({ number: after, at: next, near: structuredClone(near) }) };
    }
  }

  #add(batch: CleanedBatch, documents: readonly Document[], counted: StageStatistics | undefined): void {
    const { texts, indices, hashes, signed, bands, sketches } = batch;
    const bandsEach = bands.length / texts.length, sketchEach = sketches.length / texts.length;
    for (const [n, text] of texts.entries()) {
      const { source } = documents[indices[n]], at = n * hashWords;
      if (this.#exact !== undefined) {
        if (!count(counted!, { text, source }, !this.#exact.add(hashes, at), "exact duplicate")) continue;
        this.#hashes.append(new Uint8Array(hashes.buffer, hashes.byteOffset + 4 * at, 4 * hashWords));
      }
      if (signed[n] === 1) this.#near?.add(bands, n * bandsEach, sketches, n * sketchEach);
      else this.#near?.addUnsigned();
      this.#log.add(JSON.stringify([source, text]));
    }
  }

  #readHashes(): void {
    const words = new Uint32Array(hashWords << 12), bytes = words.byteLength, end = this.#hashes.length;
    for (let at = 0; at < end; at += bytes) {
      const length = Math.min(bytes, end - at);
      this.#hashes.readAt(at, new Uint8Array(words.buffer, 0, length));
      for (let i = 0; i < length / 4; i += hashWords) this.#exact?.add(words, i);
    }
  }
}

/** Counts a document as kept, or as dropped for that reason; says whether it is kept. */
function count(statistics: StageStatistics, document: Document, drops: boolean, reason: string): boolean {
  const bytes = utf8Length(document.text);
  if (drops) countDropped(statistics, document, bytes, reason);
  else countKept(statistics, document, bytes, document.text);
  return !drops;
}
