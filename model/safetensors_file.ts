import { WeftError } from "../engine/weft_error.ts";
import {
  type Fail,
  failureOf,
  headerLength,
  parseHeader,
  type SafetensorsHeader,
  type TensorPlace,
  toFloat32,
} from "./safetensors_format.ts";

const pieceBytes = 1 << 23; // a multiple of every element's bytes

/**
 * A safetensors file that is open: its header is read, and elements come piece by piece, so that a tensor goes to the
 * GPU without ever being in memory as a whole.
 *
 * @example
 * ```ts
 * import { SafetensorsFile } from "./safetensors_file.ts";
 * import { writeSafetensorsFile } from "./safetensors.ts";
 * const path = await Deno.makeTempFile();
 * await writeSafetensorsFile(path, new Map([["w", { dtype: "f32", shape: [2], data: new Float32Array([1, 2]) }]]));
 * using file = await SafetensorsFile.open(path);
 * for await (const piece of file.pieces("w")) console.log(piece); // Float32Array [1, 2]
 * ```
 */
export class SafetensorsFile implements Disposable {
  /** The file's path. */
  readonly path: string;
  /** Where its tensors are, by name, in the order of the header. */
  readonly tensors: ReadonlyMap<string, TensorPlace>;
  /** The strings under `__metadata__`. */
  readonly metadata: Readonly<Record<string, string>>;
  #file: Deno.FsFile;
  #start: number;
  #fail: Fail;
  #spare: Uint8Array<ArrayBuffer> | undefined;

  private constructor(path: string, file: Deno.FsFile, start: number, header: SafetensorsHeader) {
    this.path = path;
    this.tensors = new Map(header.places.map((place) => [place.key, place]));
    this.metadata = header.metadata;
    this.#file = file;
    this.#start = start;
    this.#fail = failureOf(path);
  }

  /**
   * Opens a file and reads its header.
   *
   * @throws {WeftError} when it is missing, truncated or not what it says; see `parseSafetensors`.
   */
  static async open(path: string): Promise<SafetensorsFile> {
    const fail = failureOf(path);
    let file: Deno.FsFile, size: number;
    try {
      file = await Deno.open(path);
      ({ size } = await file.stat());
    } catch (error) {
      throw new WeftError(`${path} cannot be read: ${(error as Error).message}`);
    }
    try {
      const first = new Uint8Array(8);
      if (size >= 8) await fill(file, first, fail);
      const header = new Uint8Array(headerLength(first, size, fail)), start = 8 + header.length;
      await fill(file, header, fail);
      return new SafetensorsFile(path, file, start, parseHeader(header, size - start, fail));
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /**
   * The elements of a tensor as f32, in order, in pieces that hold until the next one is asked for.
   *
   * @throws {WeftError} when its elements are not floating-point numbers.
   */
  async *pieces(name: string): AsyncGenerator<Float32Array<ArrayBuffer>, void, undefined> {
    const { key, dtype, begin, length } = this.tensors.get(name)!;
    // Fresh memory costs more than reading into it does: one buffer serves tensor after tensor.
    const buffer = this.#spare ?? new Uint8Array(pieceBytes);
    this.#spare = undefined;
    try {
      for (let at = 0; at < length;) {
        const bytes = buffer.subarray(0, Math.min(buffer.length, length - at));
        await this.#file.seek(this.#start + begin + at, Deno.SeekMode.Start); // several tensors may be read in turn
        await fill(this.#file, bytes, this.#fail);
        yield toFloat32(dtype, bytes, key, this.#fail);
        at += bytes.length;
      }
    } finally {
      this.#spare = buffer;
    }
  }

  /** Closes the file. */
  [Symbol.dispose](): void {
    this.#file.close();
  }
}

async function fill(file: Deno.FsFile, bytes: Uint8Array<ArrayBuffer>, fail: Fail): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const count = await file.read(bytes.subarray(at));
    if (count === null) return fail("it has become shorter while it was read");
    at += count;
  }
}
