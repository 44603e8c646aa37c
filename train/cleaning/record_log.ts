import type { GrowingFile } from "../work_folder.ts";

const encoder = new TextEncoder(), decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const windowBytes = 1 << 20;

/** Texts in a file, each after its length in 4 bytes: added at the end, read in their order from any of them on. */
export class RecordLog {
  readonly #file: GrowingFile;
  readonly #length = new Uint8Array(4);

  /** Goes on with a file. */
  constructor(file: GrowingFile) {
    this.#file = file;
  }

  /** Adds a text. */
  add(text: string): void {
    const bytes = encoder.encode(text);
    new DataView(this.#length.buffer).setUint32(0, bytes.length, true);
    this.#file.append(this.#length);
    this.#file.append(bytes);
  }

  /** The texts from a place on, each with the place after it, where reading can go on. Default: all. */
  *read(from = 0): Generator<{ readonly text: string; readonly next: number }, void, undefined> {
    const end = this.#file.length;
    let window = new Uint8Array(0), start = from; // the window holds what is at `start` of the file
    const take = (at: number, length: number): Uint8Array => {
      if (at + length > start + window.length) {
        window = new Uint8Array(Math.min(Math.max(length, windowBytes), end - at));
        start = at;
        this.#file.readAt(at, window);
      }
      return window.subarray(at - start, at - start + length);
    };
    for (let at = from; at < end;) {
      const header = take(at, 4), length = new DataView(header.buffer, header.byteOffset, 4).getUint32(0, true);
      const text = decoder.decode(take(at + 4, length));
      at += 4 + length;
      yield { text, next: at };
    }
  }
}
