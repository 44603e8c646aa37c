/** Bytes between two separators. */
export interface ByteRecord {
  /** The bytes, in a view that holds until the next record is asked for; none where they are too many. */
  readonly bytes?: Uint8Array;
  /** How many there are. */
  readonly length: number;
  /** Where they begin in the stream. */
  readonly start: number;
  /** Where the next record begins. */
  readonly end: number;
}

/** Where a separator was found, or from where to look again when there is more. */
type Found = { readonly start: number; readonly end: number } | { readonly again: number };

/** Finds the first separator in `bytes` from `from` on. */
export type FindSeparator = (bytes: Uint8Array, from: number) => Found;

/** Finds these bytes. */
export function exactly(separator: string): FindSeparator {
  const wanted = new TextEncoder().encode(separator), first = wanted[0], length = wanted.length;
  return (bytes, from) => {
    const last = bytes.length - length;
    for (let at = from; (at = bytes.indexOf(first, at)) >= 0 && at <= last; at++) {
      let same = 1;
      while (same < length && bytes[at + same] === wanted[same]) same++;
      if (same === length) return { start: at, end: at + length };
    }
    return { again: Math.max(from, last + 1) };
  };
}

const lineFeed = 10;

/** Finds a line that holds nothing but spaces, tabs and carriage returns. */
export const blankLine: FindSeparator = (bytes, from) => {
  for (let at = from; (at = bytes.indexOf(lineFeed, at)) >= 0;) {
    let next = at + 1;
    while (bytes[next] === 32 || bytes[next] === 9 || bytes[next] === 13) next++;
    if (next === bytes.length) return { again: at };
    if (bytes[next] === lineFeed) return { start: at, end: next + 1 };
    at = next;
  }
  return { again: bytes.length };
};

/** Finds nothing: all there is is one record. */
export const noSeparator: FindSeparator = (bytes) => ({ again: bytes.length });

/**
 * Cuts a stream of bytes at separators. It never holds more than the largest record that is allowed and a chunk: of a
 * larger one only the length is given.
 *
 * @example
 * ```ts
 * import { exactly, RecordSplitter } from "./record_splitter.ts";
 * const splitter = new RecordSplitter(exactly("\n"), 100);
 * for (const part of ["one\ntw", "o\nthree"]) {
 *   for (const record of splitter.push(new TextEncoder().encode(part))) console.log(record.start, record.length);
 * } // 0 3, 4 3
 * for (const record of splitter.end()) console.log(record.start, record.length); // 8 5
 * ```
 */
export class RecordSplitter {
  #find: FindSeparator;
  #maxBytes: number;
  #held = new Uint8Array(0);
  #length = 0; // of what is held
  #from = 0; // in what is held: where to look for a separator
  #start: number; // in the stream: where the record begins
  #dropped = 0; // bytes of the record that are no longer held, since it is too large

  /** Cuts what `find` finds; records of more than `maxBytes` are not held. `start` is where the stream begins. */
  constructor(find: FindSeparator, maxBytes: number, start = 0) {
    this.#find = find;
    this.#maxBytes = maxBytes;
    this.#start = start;
  }

  /** The records that end in these bytes, which may be overwritten once they are all taken. */
  *push(chunk: Uint8Array): Generator<ByteRecord> {
    const bytes = this.#length === 0 ? chunk : this.#hold(chunk);
    let begin = 0, from = this.#length === 0 ? 0 : this.#from;
    while (true) {
      const found = this.#find(bytes, from);
      if ("again" in found) {
        this.#keep(bytes, begin, found.again);
        return;
      }
      yield this.#record(bytes.subarray(begin, found.start), found.end - begin);
      begin = from = found.end;
    }
  }

  /** The record that the end of the stream ends, unless nothing is left. */
  *end(): Generator<ByteRecord> {
    if (this.#length + this.#dropped > 0) yield this.#record(this.#held.subarray(0, this.#length), this.#length);
    this.#length = 0;
  }

  #record(bytes: Uint8Array, advance: number): ByteRecord {
    const length = this.#dropped + bytes.length, start = this.#start;
    this.#start = start + this.#dropped + advance;
    this.#dropped = 0;
    return { bytes: length > this.#maxBytes ? undefined : bytes, length, start, end: this.#start };
  }

  /** What is held, with the chunk after it. */
  #hold(chunk: Uint8Array): Uint8Array {
    this.#makeRoom(this.#length + chunk.length);
    this.#held.set(chunk, this.#length);
    return this.#held.subarray(0, this.#length + chunk.length);
  }

  /** Holds what begins an unfinished record, or of one that is too large no more than may begin a separator. */
  #keep(bytes: Uint8Array, begin: number, again: number): void {
    const tooLarge = this.#dropped + bytes.length - begin > this.#maxBytes + maxSeparator;
    const kept = bytes.subarray(tooLarge ? Math.max(again, bytes.length - maxSeparator) : begin);
    if (tooLarge) this.#dropped += bytes.length - begin - kept.length;
    if (bytes.buffer === this.#held.buffer) this.#held.copyWithin(0, kept.byteOffset, kept.byteOffset + kept.length);
    else {
      this.#makeRoom(kept.length);
      this.#held.set(kept);
    }
    this.#length = kept.length;
    this.#from = Math.max(0, again - (bytes.length - kept.length));
  }

  #makeRoom(length: number): void {
    if (length <= this.#held.length) return;
    const room = new Uint8Array(Math.max(length, 2 * this.#held.length));
    room.set(this.#held.subarray(0, this.#length));
    this.#held = room;
  }
}

/** No separator is longer, so that the end of a record too large to be held can be found. */
const maxSeparator = 1 << 16;
