import { WeftError } from "../engine/weft_error.ts";
import { fillSync } from "./files.ts";

/** How the ids of a shard are stored. */
export type TokenType = "uint16" | "uint32";

/** Tokens in a row, wherever they are. */
export interface TokenSource {
  /** How many there are. */
  readonly length: number;
  /** Copies tokens from `start` on into `out`, as many as it holds. */
  copyTo(out: Int32Array<ArrayBuffer>, start: number): void;
}

/** Bytes of llm.c's header: 256 int32. */
export const headerBytes = 1024;

/** First number of llm.c's header and its version, by the type of the ids after it. */
export const shardMagic: Readonly<Record<TokenType, readonly [number, number]>> = {
  uint16: [20240520, 1],
  uint32: [20240801, 7],
};

/** How shards are opened. */
export interface OpenShardsOptions {
  /** How ids are stored where no header says it. Default: "uint16". */
  readonly type?: TokenType;
  /** Kinds of tokens; larger ids are an error. Default: 2³¹. */
  readonly vocabSize?: number;
  /**
   * Files that have no more bytes than this together are kept in memory, each from when it is first asked for; of
   * larger ones only what is asked for is read. Default: 2²⁸, 256 MiB.
   */
  readonly cacheBytes?: number;
}

interface Shard {
  readonly path: string;
  readonly file: Deno.FsFile;
  readonly type: TokenType;
  readonly offset: number;
  /** Where its first token is among those of all shards, and where the next shard begins. */
  readonly first: number;
  readonly end: number;
  /** All of its ids, where they are kept. */
  ids?: Ids;
}

type Ids = Uint16Array<ArrayBuffer> | Int32Array<ArrayBuffer>;

/**
 * The tokens of files, one after the other: nanoGPT's, which are nothing but ids, and llm.c's, with a header of 256
 * int32 (a magic number, a version, and how many tokens follow). A corpus of any size takes little memory: one that is
 * larger than `cacheBytes` stays on the disk, and what is asked for is read.
 *
 * @example
 * ```ts
 * import { TokenShards } from "./token_shards.ts";
 * const path = await Deno.makeTempFile();
 * await Deno.writeFile(path, new Uint8Array(Uint16Array.of(7, 8, 9).buffer));
 * using shards = TokenShards.open([path]);
 * const out = new Int32Array(2);
 * shards.copyTo(out, 1);
 * console.log(shards.length, out); // 3 Int32Array [8, 9]
 * await Deno.remove(path);
 * ```
 */
export class TokenShards implements TokenSource, Disposable {
  /** How many tokens there are in all files. */
  readonly length: number;
  #shards: readonly Shard[];
  #vocabSize: number;
  #cached: boolean;
  #window = new ArrayBuffer(1 << 16);

  private constructor(shards: readonly Shard[], vocabSize: number, cacheBytes: number) {
    this.#shards = shards;
    this.#vocabSize = vocabSize;
    this.#cached = shards.reduce((sum, { type, first, end }) => sum + (end - first) * bytesOf[type], 0) <= cacheBytes;
    this.length = shards.at(-1)?.end ?? 0;
  }

  /**
   * Opens files, in this order. A file without llm.c's header holds ids of `type`. All ids must be below `vocabSize`.
   *
   * @throws {WeftError} when one cannot be read, or its length is not that of whole ids or not what its header says.
   */
  static open(paths: readonly string[], options: OpenShardsOptions = {}): TokenShards {
    const { type = "uint16", vocabSize = 2 ** 31, cacheBytes = 2 ** 28 } = options;
    const shards: Shard[] = [];
    try {
      for (const path of paths) shards.push(openShard(path, type, shards.at(-1)?.end ?? 0));
    } catch (error) {
      for (const { file } of shards) file.close();
      throw error;
    }
    return new TokenShards(shards, vocabSize, cacheBytes);
  }

  /**
   * Copies tokens from `start` on into `out`, as many as it holds.
   *
   * @throws {WeftError} when a file has become shorter, or holds an id that is no token's.
   */
  copyTo(out: Int32Array<ArrayBuffer>, start: number): void {
    if (start < 0 || start + out.length > this.length) {
      throw new RangeError(`tokens ${start} to ${start + out.length} of ${this.length}`);
    }
    let at = this.#shardOf(start);
    for (let done = 0; done < out.length;) {
      const shard = this.#shards[at++], from = start + done - shard.first;
      const count = Math.min(out.length - done, shard.end - shard.first - from);
      if (this.#cached) {
        shard.ids ??= this.#read(shard, 0, shard.end - shard.first);
        out.set(shard.ids.subarray(from, from + count), done);
      } else out.set(this.#read(shard, from, count), done);
      done += count;
    }
  }

  /** Closes the files. */
  [Symbol.dispose](): void {
    for (const { file } of this.#shards) file.close();
  }

  /** The shard that holds a token, by bisection. */
  #shardOf(token: number): number {
    let low = 0, high = this.#shards.length - 1;
    while (low < high) {
      const middle = low + high + 1 >> 1;
      if (this.#shards[middle].first <= token) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Ids of a shard, checked: for those that are kept in memory of their own, else in the window. */
  #read({ path, file, type, offset }: Shard, start: number, count: number): Ids {
    const bytes = count * bytesOf[type];
    if (!this.#cached && bytes > this.#window.byteLength) this.#window = new ArrayBuffer(bytes);
    const buffer = this.#cached ? new ArrayBuffer(bytes) : this.#window;
    file.seekSync(offset + start * bytesOf[type], Deno.SeekMode.Start);
    try {
      fillSync(file, new Uint8Array(buffer, 0, bytes));
    } catch (error) {
      throw new WeftError(`${path} cannot be read: ${(error as Error).message}`);
    }
    const ids = type === "uint16" ? new Uint16Array(buffer, 0, count) : new Int32Array(buffer, 0, count);
    for (let i = 0; i < count; i++) {
      if (ids[i] >= 0 && ids[i] < this.#vocabSize) continue;
      throw new WeftError(
        `${path} holds the id ${ids[i] >>> 0} at token ${start + i}: ids must be below ${this.#vocabSize}`,
      );
    }
    return ids;
  }
}

const bytesOf = { uint16: 2, uint32: 4 } as const;

function openShard(path: string, headerless: TokenType, first: number): Shard {
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(path);
  } catch (error) {
    throw new WeftError(`${path} cannot be read: ${(error as Error).message}`);
  }
  try {
    const { size } = file.statSync(), header = new Int32Array(3);
    if (size >= headerBytes) file.readSync(new Uint8Array(header.buffer));
    const named = (Object.keys(shardMagic) as TokenType[]).find((type) =>
      shardMagic[type].every((number, i) => header[i] === number)
    );
    const type = named ?? headerless, offset = named === undefined ? 0 : headerBytes;
    const count = (size - offset) / bytesOf[type];
    if (!Number.isInteger(count)) throw new WeftError(`${path} is no shard: ${size} bytes are no whole ${type}s`);
    if (named !== undefined && header[2] !== count) {
      throw new WeftError(`${path} is damaged: its header says ${header[2]} tokens, and ${count} follow`);
    }
    return { path, file, type, offset, first, end: first + count };
  } catch (error) {
    file.close();
    throw error;
  }
}
