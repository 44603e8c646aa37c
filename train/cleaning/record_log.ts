import { WeftError } from "../../engine/weft_error.ts";
import { fillSync, writeAllSync } from "../files.ts";

const encoder = new TextEncoder(), decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Texts in a file, each after its length in 4 bytes: written once from the front, then read in that order. */
export class RecordLog implements Disposable {
  readonly #path: string;
  readonly #file: Deno.FsFile;
  #buffer = new Uint8Array(1 << 20);
  #used = 0;

  /**
   * A new file.
   *
   * @throws {WeftError} when it cannot be written.
   */
  constructor(path: string) {
    this.#path = path;
    this.#file = this.#try(() => Deno.openSync(path, { read: true, write: true, createNew: true }));
  }

  /** Adds a text. */
  add(text: string): void {
    const bytes = encoder.encode(text);
    if (this.#used + 4 + bytes.length > this.#buffer.length) this.#flush();
    if (4 + bytes.length > this.#buffer.length) this.#buffer = new Uint8Array(2 * bytes.length + 4);
    new DataView(this.#buffer.buffer).setUint32(this.#used, bytes.length, true);
    this.#buffer.set(bytes, this.#used + 4);
    this.#used += 4 + bytes.length;
  }

  /** All texts, in their order. */
  *read(): Generator<string, void, undefined> {
    this.#flush();
    this.#file.seekSync(0, Deno.SeekMode.Start);
    const length = new Uint8Array(4);
    for (let left = this.#file.statSync().size; left > 0;) {
      this.#fill(length);
      const bytes = new Uint8Array(new DataView(length.buffer).getUint32(0, true));
      this.#fill(bytes);
      left -= 4 + bytes.length;
      yield decoder.decode(bytes);
    }
  }

  /** Closes the file. */
  [Symbol.dispose](): void {
    this.#file.close();
  }

  #flush(): void {
    this.#try(() => writeAllSync(this.#file, this.#buffer.subarray(0, this.#used)));
    this.#used = 0;
  }

  #fill(bytes: Uint8Array<ArrayBuffer>): void {
    this.#try(() => fillSync(this.#file, bytes));
  }

  #try<T>(act: () => T): T {
    try {
      return act();
    } catch (error) {
      throw new WeftError(`${this.#path} cannot be used for cleaning: ${(error as Error).message}`);
    }
  }
}
