import { WeftError } from "../../engine/weft_error.ts";
import { fillSync, writeAllSync } from "../files.ts";
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
const slotBytes = 4 * wordsPerRecord, fill = 0.6;
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
 * const size = { bands: 20, rows: 8 }, minHash = new MinHash({ ...size, words: 3 }), scanner = new WordScanner();
 * const folder = await Deno.makeTempDir();
 * using duplicates = new NearDuplicates(folder, { ...size, similarity: 0.72 });
 * const bands = new Uint32Array(40), sketch = new Uint8Array(160);
 * for (const text of ["The cat sat on the mat.", "A dog lay under a tree.", "the cat sat on the mat"]) {
 *   if (minHash.sign(scanner.scan(text), bands, 0, sketch, 0)) duplicates.add(bands, 0, sketch, 0);
 *   else duplicates.addUnsigned();
 * }
 * console.log(duplicates.finish()); // Uint32Array [0, 1, 0]
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export class NearDuplicates implements Disposable {
  readonly #options: Required<NearDuplicatesOptions>;
  readonly #bands: RecordFile[];
  readonly #sketches: RecordFile;
  readonly #sketchLength: number;
  #documents = 0;

  /**
   * Files in a folder that exists and is empty; it stays to whoever made it.
   *
   * @throws {WeftError} when they cannot be written.
   */
  constructor(folder: string, options: NearDuplicatesOptions) {
    this.#options = { memory: 2 ** 28, ...options };
    this.#bands = Array.from(
      { length: options.bands },
      (_, band) => new RecordFile(`${folder}/band_${String(band).padStart(3, "0")}`, 4 * wordsPerRecord),
    );
    this.#sketchLength = options.bands * options.rows;
    this.#sketches = new RecordFile(`${folder}/sketches`, this.#sketchLength);
  }

  /** How many documents there are. */
  get documents(): number {
    return this.#documents;
  }

  /** Takes the signature of the next document, as `MinHash.sign` wrote it. */
  add(bands: Uint32Array, bandsAt: number, sketch: Uint8Array, sketchAt: number): void {
    for (let band = 0; band < this.#options.bands; band++) {
      const words = this.#bands[band].nextWords();
      words[0] = bands[bandsAt + 2 * band];
      words[1] = bands[bandsAt + 2 * band + 1];
      words[2] = this.#documents;
    }
    this.#sketches.next().set(sketch.subarray(sketchAt, sketchAt + this.#sketchLength));
    this.#documents++;
  }

  /** Counts a document without a signature, which is like no other. */
  addUnsigned(): void {
    this.#sketches.next().fill(0);
    this.#documents++;
  }

  /** For each document the first one of its cluster: its own number where it is to be kept. */
  finish(): Uint32Array<ArrayBuffer> {
    const clusters = new UnionFind(this.#documents);
    this.#sketches.flush();
    for (const band of this.#bands) this.#join(band, clusters);
    return clusters.roots();
  }

  #join(band: RecordFile, clusters: UnionFind): void {
    const passes = Math.max(1, Math.ceil(band.records * slotBytes / fill / this.#options.memory));
    // shares of hash space are not exactly equal: a little more room, and a little for few documents
    const capacity = Math.ceil(band.records / passes / fill * 1.05) + 64;
    const table = new Uint32Array(capacity * wordsPerRecord);
    for (let pass = 0; pass < passes; pass++) {
      if (pass > 0) table.fill(0);
      band.read((low, high, document) => {
        if (Math.floor(high / 2 ** 32 * passes) !== pass) return;
        this.#put(table, capacity, low, high, document, clusters);
      });
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
    return sketchSimilarity(this.#sketches.at(a, 0), 0, this.#sketches.at(b, 1), 0, length) >= similarity;
  }

  /** Closes the files. */
  [Symbol.dispose](): void {
    for (const band of this.#bands) band.close();
    this.#sketches.close();
  }
}

/** A file of records of one size, written from the front through a buffer and then read. */
class RecordFile {
  readonly #path: string;
  readonly #file: Deno.FsFile;
  readonly #size: number;
  readonly #buffer: Uint8Array<ArrayBuffer>;
  readonly #words: Uint32Array<ArrayBuffer>;
  readonly #found: [Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>];
  #used = 0;
  #records = 0;

  constructor(path: string, size: number) {
    this.#path = path;
    this.#size = size;
    this.#buffer = new Uint8Array(Math.ceil(2 ** 16 / size) * size + 3 & ~3);
    this.#words = new Uint32Array(this.#buffer.buffer);
    this.#found = [new Uint8Array(size), new Uint8Array(size)];
    this.#file = this.#try(() => Deno.openSync(path, { read: true, write: true, create: true, truncate: true }));
  }

  get records(): number {
    return this.#records;
  }

  /** The bytes of a new record. */
  next(): Uint8Array {
    if (this.#used + this.#size > this.#buffer.length) this.flush();
    const start = this.#used;
    this.#used += this.#size;
    this.#records++;
    return this.#buffer.subarray(start, this.#used);
  }

  /** The 32-bit words of a new record. */
  nextWords(): Uint32Array {
    const { byteOffset, byteLength } = this.next();
    return this.#words.subarray(byteOffset / 4, (byteOffset + byteLength) / 4);
  }

  flush(): void {
    this.#try(() => writeAllSync(this.#file, this.#buffer.subarray(0, this.#used)));
    this.#used = 0;
  }

  /** Calls with the three words of each record, from the front. */
  read(take: (first: number, second: number, third: number) => void): void {
    this.flush();
    this.#file.seekSync(0, Deno.SeekMode.Start);
    const length = this.#buffer.length - this.#buffer.length % this.#size;
    for (let left = this.#records * this.#size; left > 0;) {
      const part = this.#buffer.subarray(0, Math.min(length, left));
      this.#fill(part);
      for (let i = 0; i < part.length / 4; i += wordsPerRecord) {
        take(this.#words[i], this.#words[i + 1], this.#words[i + 2]);
      }
      left -= part.length;
    }
  }

  /** The bytes of a record, in one of two places. */
  at(record: number, place: 0 | 1): Uint8Array {
    this.#file.seekSync(record * this.#size, Deno.SeekMode.Start);
    this.#fill(this.#found[place]);
    return this.#found[place];
  }

  #fill(bytes: Uint8Array<ArrayBuffer>): void {
    this.#try(() => fillSync(this.#file, bytes));
  }

  #try<T>(act: () => T): T {
    try {
      return act();
    } catch (error) {
      throw new WeftError(`${this.#path} cannot be used for near duplicates: ${(error as Error).message}`);
    }
  }

  close(): void {
    this.#file.close();
  }
}
