import type { Gpu } from "../engine/gpu.ts";
import type { Tensor } from "../engine/tensor.ts";
import { WeftError } from "../engine/weft_error.ts";

/** Bytes that are mapped together, and bytes that are looked at together: Deno copies what it maps, and blocks meanwhile. */
const smallestPiece = 1 << 16, largestPiece = 1 << 26, largestWindow = 1 << 23;

/** A part of a tensor: bytes of its memory. */
interface Stretch {
  readonly tensor: Tensor;
  readonly from: number;
  readonly bytes: number;
}

/** Memory that is copied to and can be mapped. */
interface Staged {
  readonly buffer: GPUBuffer;
  readonly bytes: number;
}

/**
 * The bytes of several f32 tensors as they are at one moment, one after another, to be read while the GPU goes on
 * changing them. They are copied on the GPU into memory that the host can map, at most `memory` bytes at a time, or 64 KB: where
 * all fit, `copied` holds at once; else only after all but so many bytes were read, and the tensors must wait for it.
 */
export class GpuSnapshot {
  /** Resolves when the tensors may be changed: their copies are recorded, and done before whatever is recorded next. */
  readonly copied: Promise<void>;
  #gpu: Gpu;
  #memory: number;
  #pieces: Stretch[][];
  #next = 0;
  #staged: Staged[] = [];
  /** What is looked at of the first piece that is staged, where it ends there, and what was read of it. */
  #window: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #windowEnd = 0;
  #at = 0;
  #release: () => void;

  /** Takes what the tensors hold after all that was recorded so far. */
  constructor(gpu: Gpu, tensors: readonly Tensor[], memory: number) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.copied = promise;
    this.#release = resolve;
    this.#gpu = gpu;
    this.#memory = memory;
    const most = Math.min(largestPiece, Math.max(memory, smallestPiece), gpu.device.limits.maxBufferSize);
    this.#pieces = cut(tensors, Math.floor(most / 8) * 8);
    this.#stage();
  }

  /**
   * The next bytes, at least one and at most `limit`, which hold until the next call. There must be some left.
   *
   * @throws {WeftError} when the GPU fails.
   */
  async read(limit: number): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#at === this.#window.length) await this.#moveOn();
    const bytes = this.#window.subarray(this.#at, this.#at + limit);
    this.#at += bytes.length;
    return bytes;
  }

  /** Gives the memory back, read or not. */
  close(): void {
    for (const { buffer } of this.#staged.splice(0)) buffer.destroy();
    this.#next = this.#pieces.length;
    this.#release();
  }

  /** Copies as much as there is room for. */
  #stage(): void {
    let room = this.#memory - this.#staged.reduce((sum, { bytes }) => sum + bytes, 0);
    for (; this.#next < this.#pieces.length; this.#next++) {
      const piece = this.#pieces[this.#next], size = piece.reduce((sum, { bytes }) => sum + bytes, 0);
      if (this.#staged.length > 0 && size > room) break;
      const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
      const buffer = this.#gpu.device.createBuffer({ label: "snapshot", size, usage });
      let to = 0;
      for (const { tensor: { storage }, from, bytes } of piece) {
        this.#gpu.recorder.copy(storage, from, buffer, to, bytes);
        to += bytes;
      }
      this.#staged.push({ buffer, bytes: size });
      room -= size;
    }
    this.#gpu.submit();
    if (this.#next === this.#pieces.length) this.#release();
  }

  async #moveOn(): Promise<void> {
    if (this.#windowEnd === this.#staged[0].bytes) {
      this.#staged.shift()!.buffer.destroy();
      this.#windowEnd = 0;
      this.#stage();
    }
    const { buffer, bytes } = this.#staged[0], from = this.#windowEnd;
    try {
      if (from === 0) await buffer.mapAsync(GPUMapMode.READ);
      this.#windowEnd = Math.min(from + largestWindow, bytes);
      this.#window = new Uint8Array(buffer.getMappedRange(from, this.#windowEnd - from));
      this.#at = 0;
    } catch (error) {
      await this.#gpu.finish(); // throws what went wrong before
      throw new WeftError(`The GPU's memory cannot be read: ${(error as Error).message}`);
    }
  }
}

/** The tensors' memory in pieces of at most so many bytes. */
function cut(tensors: readonly Tensor[], most: number): Stretch[][] {
  const pieces: Stretch[][] = [];
  let room = 0;
  for (const tensor of tensors) {
    const first = 4 * tensor.offset, end = first + 4 * tensor.size;
    for (let from = first; from < end;) {
      if (room === 0) {
        pieces.push([]);
        room = most;
      }
      const bytes = Math.min(room, end - from);
      pieces.at(-1)!.push({ tensor, from, bytes });
      from += bytes;
      room -= bytes;
    }
  }
  return pieces;
}
