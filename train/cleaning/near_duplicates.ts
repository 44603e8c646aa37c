import type { GrowingFile } from "../work_folder.ts";
import { sketchSimilarity } from "./minhash.ts";
import { UnionFind } from "./union_find.ts";

/** How near duplicates are found. */
export interface NearDuplicatesOptions {
  /** Bands of a signature. */
  readonly bands: number;
  /** Hash values of a band. */
  readonly rows: number;
  /** Least similarity, by sketches, of texts that agree in a band; with 0 sketches are not read. */
  readonly similarity: number;
  /** Bytes of the largest table. Default: 256 MiB. */
  readonly memory?: number;
}

const wordsPerRecord = 3; // a band's hash in two halves, and the document's number
const recordBytes = 4 * wordsPerRecord, fill = 0.6, recordsRead = 1 << 14;
const mostCompared = 8; // documents with the same band hash and different texts, before one is let pass

/**
 * Near duplicates of a corpus that is larger than memory. Band hashes and sketches go to files in a folder as documents
 * come; `finish` reads one band after another, in as many passes as its table needs to fit, and joins documents that
 * agree in a band and whose sketches agree as well. In memory: a table, and 4 bytes per document.
 *
 * Documents A, B and C where only A and B and only B and C are alike are one cluster all the same.
 *
 * @example
 * ```ts
 * import { MinHash } from "./minhash.ts";
 * import { NearDuplicates } from "./near_duplicates.ts";
 * import { WordScanner } from "./word_scanner.ts";
 * import { WorkFolder } from "../work_folder.ts";
 * const size = { bands: 20, rows: 8 }, minHash = new MinHash({ ...size, words: 3 }), scanner = new WordScanner();
 * const folder = await Deno.makeTempDir();
 * using work = await WorkFolder.open(folder, "example");
 * const duplicates = new NearDuplicates(work, { ...size, similarity: 0.72 });
 * const bands = new Uint32Array(40), sketch = new Uint8Array(160);
 * for (const text of ["The cat sat on the mat.", "A dog lay under a tree.", "the cat sat on the mat"]) {
 *   if (minHash.sign(scanner.scan(text), bands, 0, sketch, 0)) duplicates.add(bands, 0, sketch, 0);
 *   else duplicates.addUnsigned();
 * }
 * console.log(duplicates.finish()); // Uint32Array [0, 1, 0]
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export class NearDuplicates {
  readonly #options: Required<NearDuplicatesOptions>;
  readonly #bands: readonly GrowingFile[];
  readonly #sketches: GrowingFile;
  readonly #sketchLength: number;
  readonly #record = new Uint32Array(wordsPerRecord);
  readonly #recordBytes = new Uint8Array(this.#record.buffer);
  readonly #compared: readonly Uint8Array<ArrayBuffer>[];
  #documents: number;

  /**
   * Goes on with the files `band_…` and `sketches` of a folder.
   *
   * @throws {WeftError} when they cannot be written.
   */
  constructor(folder: { file(name: string): GrowingFile }, options: NearDuplicatesOptions) {
    this.#options = { memory: 2 ** 28, ...options };
    this.#bands = Array.from(
      { length: options.bands },
      (_, band) => folder.file(`band_${String(band).padStart(3, "0")}`),
    );
    this.#sketches = folder.file("sketches");
    this.#sketchLength = options.bands * options.rows;
    this.#compared = [new Uint8Array(this.#sketchLength), new Uint8Array(this.#sketchLength)];
    this.#documents = this.#sketches.length / this.#sketchLength;
  }

  /** How many documents there are. */
  get documents(): number {
    return this.#documents;
  }

  /** Takes the signature of the next document, as `MinHash.sign` wrote it. */
  add(bands: Uint32Array, bandsAt: number, sketch: Uint8Array, sketchAt: number): void {
    for (let band = 0; band < this.#options.bands; band++) {
      this.#record[0] = bands[bandsAt + 2 * band];
      this.#record[1] = bands[bandsAt + 2 * band + 1];
      this.#record[2] = this.#documents;
      this.#bands[band].append(this.#recordBytes);
    }
    this.#sketches.append(sketch.subarray(sketchAt, sketchAt + this.#sketchLength));
    this.#documents++;
  }

  /** Counts a document without a signature, which is like no other. */
  addUnsigned(): void {
    this.#sketches.append(this.#compared[0].fill(0));
    this.#documents++;
  }

  /** For each document the first one of its cluster: its own number where it is to be kept. */
  finish(): Uint32Array<ArrayBuffer> {
    const clusters = new UnionFind(this.#documents);
    for (const band of this.#bands) this.#join(band, clusters);
    return clusters.roots();
  }

  #join(band: GrowingFile, clusters: UnionFind): void {
    const records = band.length / recordBytes;
    const passes = Math.max(1, Math.ceil(records * recordBytes / fill / this.#options.memory));
    // shares of hash space are not exactly equal: a little more room, and a little for few documents
    const capacity = Math.ceil(records / passes / fill * 1.05) + 64;
    const table = new Uint32Array(capacity * wordsPerRecord);
    for (let pass = 0; pass < passes; pass++) {
      if (pass > 0) table.fill(0);
      for (let from = 0; from < records; from += recordsRead) {
        const words = new Uint32Array(Math.min(recordsRead, records - from) * wordsPerRecord);
        band.readAt(from * recordBytes, new Uint8Array(words.buffer));
        for (let i = 0; i < words.length; i += wordsPerRecord) {
          const low = words[i], high = words[i + 1];
          if (Math.floor(high / 2 ** 32 * passes) !== pass) continue;
          this.#put(table, capacity, low, high, words[i + 2], clusters);
        }
      }
    }
  }

  /** Joins a document with the first that has its hash and is like it; where there is none it becomes one to compare. */
  #put(table: Uint32Array, capacity: number, low: number, high: number, document: number, clusters: UnionFind): void {
    let compared = 0;
    for (let slot = Math.floor(low / 2 ** 32 * capacity) * wordsPerRecord;;) {
      const other = table[slot + 2]; // plus one: zero is an empty slot
      if (other === 0) {
        table[slot] = low;
        table[slot + 1] = high;
        table[slot + 2] = document + 1;
        return;
      }
      if (table[slot] === low && table[slot + 1] === high) {
        if (clusters.same(other - 1, document)) return;
        if (this.#alike(other - 1, document)) return clusters.join(other - 1, document);
        if (++compared === mostCompared) return;
      }
      slot += wordsPerRecord;
      if (slot === table.length) slot = 0;
    }
  }

  #alike(a: number, b: number): boolean {
    const { similarity } = this.#options, length = this.#sketchLength;
    if (similarity === 0) return true;
    const [one, other] = this.#compared;
    this.#sketches.readAt(a * length, one);
    this.#sketches.readAt(b * length, other);
    return sketchSimilarity(one, 0, other, 0, length) >= similarity;
  }
}
