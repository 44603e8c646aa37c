import { DamagedFile } from "./damaged_file.ts";

/**
 * Takes bytes out of a stream in pieces of given lengths, which need not be those in which they come. What it gives is
 * a view that holds until the next call.
 */
export class ChunkReader {
  #chunks: AsyncIterator<Uint8Array>;
  #buffer = new Uint8Array(1 << 16);
  #start = 0;
  #end = 0;
  #done = false;

  /** Reads this stream. */
  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** The next `count` bytes without taking them; fewer where the stream ends before. */
  async peek(count: number): Promise<Uint8Array> {
    while (this.#end - this.#start < count && !this.#done) {
      const { value, done } = await this.#chunks.next();
      if (done) this.#done = true;
      else this.#append(value);
    }
    return this.#buffer.subarray(this.#start, Math.min(this.#start + count, this.#end));
  }

  /**
   * The next `count` bytes.
   *
   * @throws {DamagedFile} when the stream ends before.
   */
  async take(count: number): Promise<Uint8Array> {
    const bytes = await this.peek(count);
    if (bytes.length < count) throw new DamagedFile("it ends in the middle of its data");
    this.#start += count;
    return bytes;
  }

  /**
   * Leaves out the next `count` bytes, without holding them.
   *
   * @throws {DamagedFile} when the stream ends before.
   */
  async skip(count: number): Promise<void> {
    for (let left = count; left > 0;) left -= (await this.take(Math.min(left, 1 << 16))).length;
  }

  /** Everything from here on, chunk by chunk. */
  async *rest(): AsyncGenerator<Uint8Array> {
    if (this.#end > this.#start) yield this.#buffer.subarray(this.#start, this.#end);
    this.#start = this.#end;
    for (let next; !this.#done && !(next = await this.#chunks.next()).done;) yield next.value;
    this.#done = true;
  }

  /** Lets go of the stream. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  #append(bytes: Uint8Array): void {
    const kept = this.#end - this.#start;
    if (this.#end + bytes.length > this.#buffer.length) {
      const room = kept + bytes.length > this.#buffer.length
        ? new Uint8Array(Math.max(2 * this.#buffer.length, kept + bytes.length))
        : this.#buffer;
      room.set(this.#buffer.subarray(this.#start, this.#end));
      this.#buffer = room;
      this.#start = 0;
      this.#end = kept;
    }
    this.#buffer.set(bytes, this.#end);
    this.#end += bytes.length;
  }
}
