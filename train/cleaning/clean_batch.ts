import type { Document, DocumentBatch } from "./document.ts";
import { MinHash, type MinHashOptions } from "./minhash.ts";
import { Cleaner, type Stage } from "./pipeline.ts";
import type { StageStatistics } from "./statistics.ts";
import { hashText, hashWords } from "./text_hash.ts";

/** What cleaning left of a batch of documents. The arrays go by surviving documents, in the order of the batch. */
export interface CleanedBatch {
  /** Their texts. */
  readonly texts: string[];
  /** Their places in the batch. */
  readonly indices: Int32Array<ArrayBuffer>;
  /** Their `hashText`, four words each. */
  readonly hashes: Uint32Array<ArrayBuffer>;
  /** With a stage `near_duplicates`: 1 for each that has a signature, 0 for one without words. Else empty. */
  readonly signed: Uint8Array<ArrayBuffer>;
  /** With such a stage: their band hashes, 2 · bands words each. */
  readonly bands: Uint32Array<ArrayBuffer>;
  /** With such a stage: their sketches, bands · rows bytes each. */
  readonly sketches: Uint8Array<ArrayBuffer>;
  /** What each document stage did to the batch. */
  readonly statistics: StageStatistics[];
}

/** The work of a thread that cleans, made from the stages of `parsePipeline`. */
export function prepareCleaner(stages: readonly Stage[]): (batch: Pick<DocumentBatch, "documents">) => CleanedBatch {
  const cleaner = new BatchCleaner(stages);
  return ({ documents }) => cleaner.clean(documents);
}

/** Cleans batches of documents, with hashes and signatures for the stages over the corpus. */
export class BatchCleaner {
  readonly #cleaner: Cleaner;
  readonly #size: MinHashOptions | undefined;
  readonly #minHash: MinHash | undefined;

  /** The stages of `parsePipeline`. */
  constructor(stages: readonly Stage[]) {
    this.#cleaner = new Cleaner(stages);
    this.#size = stages.find(({ stage }) => stage === "near_duplicates")?.options as MinHashOptions | undefined;
    if (this.#size) this.#minHash = new MinHash(this.#size);
  }

  /**
   * Cleans a batch.
   *
   * @throws what a stage throws, which none should, with the document's source before it.
   */
  clean(documents: readonly Document[]): CleanedBatch {
    const texts: string[] = [], indices: number[] = [];
    const { bands = 0, rows = 0 } = this.#size ?? {}, sketchLength = bands * rows;
    const hashes = new Uint32Array(documents.length * hashWords);
    const signed = new Uint8Array(this.#size ? documents.length : 0);
    const bandHashes = new Uint32Array(documents.length * 2 * bands);
    const sketches = new Uint8Array(documents.length * sketchLength);
    for (const [i, document] of documents.entries()) {
      const cleaned = cleanOne(this.#cleaner, document);
      if (!("text" in cleaned)) continue;
      const n = texts.push(cleaned.text) - 1;
      indices.push(i);
      hashText(cleaned.text, hashes, n * hashWords);
      if (this.#minHash) {
        const words = this.#cleaner.scanner.scan(cleaned.text);
        signed[n] = this.#minHash.sign(words, bandHashes, n * 2 * bands, sketches, n * sketchLength) ? 1 : 0;
      }
    }
    return {
      texts,
      indices: Int32Array.from(indices),
      hashes: hashes.slice(0, texts.length * hashWords),
      signed: signed.slice(0, texts.length),
      bands: bandHashes.slice(0, texts.length * 2 * bands),
      sketches: sketches.slice(0, texts.length * sketchLength),
      statistics: this.#cleaner.takeStatistics(),
    };
  }
}

function cleanOne(cleaner: Cleaner, document: Document): ReturnType<Cleaner["clean"]> {
  try {
    return cleaner.clean(document);
  } catch (error) {
    throw new Error(`${document.source}: ${(error as Error).message}`, { cause: error });
  }
}
