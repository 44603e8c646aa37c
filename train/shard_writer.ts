import { WeftError } from "../engine/weft_error.ts";
import { writeAll } from "./files.ts";
import { hashFile } from "./sha256.ts";
import { headerBytes, shardMagic, type TokenType } from "./token_shards.ts";

/** How shards are written. */
export interface ShardOptions {
  /** How ids are stored. */
  readonly type: TokenType;
  /** nanoGPT's files are ids alone, llm.c's begin with a header. */
  readonly format: "nanogpt" | "llm.c";
  /** Tokens of a shard; the last one may have fewer. */
  readonly shardTokens: number;
}

/** A shard that was written. */
export interface WrittenShard {
  /** Name of its file. */
  readonly name: string;
  /** How many tokens it holds. */
  readonly tokens: number;
  /** Hash of the file. */
  readonly sha256: string;
}

/**
 * Writes tokens into files `NAME_000000.bin`, `NAME_000001.bin`, … of a folder, which must be there. A shard ends at
 * its number of tokens, wherever documents end.
 */
export class ShardWriter implements Disposable {
  /** How many tokens were written. */
  tokens = 0;
  #folder: string;
  #name: string;
  #options: ShardOptions;
  #shards: WrittenShard[] = [];
  #file?: Deno.FsFile;
  #inShard = 0;
  #buffer: Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;
  #buffered = 0;

  /** Shards of that name in a folder. */
  constructor(folder: string, name: string, options: ShardOptions) {
    this.#folder = folder;
    this.#name = name;
    this.#options = options;
    this.#buffer = options.type === "uint16" ? new Uint16Array(1 << 18) : new Uint32Array(1 << 18);
  }

  /**
   * Adds tokens.
   *
   * @throws {WeftError} at an id that the type does not hold.
   */
  async write(ids: Int32Array): Promise<void> {
    const most = this.#options.type === "uint16" ? 65_535 : 2 ** 31 - 1;
    for (let from = 0; from < ids.length;) {
      const room = Math.min(this.#buffer.length - this.#buffered, this.#options.shardTokens - this.#inShard);
      const part = ids.subarray(from, from + room);
      const wrong = part.findIndex((id) => id < 0 || id > most);
      if (wrong >= 0) throw new WeftError(`The id ${part[wrong]} does not fit ${this.#options.type}: at most ${most}`);
      this.#buffer.set(part, this.#buffered);
      this.#buffered += part.length;
      this.#inShard += part.length;
      this.tokens += part.length;
      from += part.length;
      if (this.#inShard === this.#options.shardTokens) await this.#endShard();
      else if (this.#buffered === this.#buffer.length) await this.#flush();
    }
  }

  /** Ends the last shard and says what was written. */
  async end(): Promise<WrittenShard[]> {
    if (this.#inShard > 0) await this.#endShard();
    return this.#shards;
  }

  /** Closes the file of a shard that was not ended. */
  [Symbol.dispose](): void {
    this.#file?.close();
    this.#file = undefined;
  }

  #path(name: string): string {
    return `${this.#folder}/${name}`;
  }

  #shardName(): string {
    return `${this.#name}_${String(this.#shards.length).padStart(6, "0")}.bin`;
  }

  async #flush(): Promise<void> {
    if (this.#file === undefined) {
      this.#file = await Deno.open(this.#path(this.#shardName()), { write: true, read: true, createNew: true });
      if (this.#options.format === "llm.c") await writeAll(this.#file, new Uint8Array(headerBytes));
    }
    const { buffer, BYTES_PER_ELEMENT } = this.#buffer;
    await writeAll(this.#file, new Uint8Array(buffer, 0, this.#buffered * BYTES_PER_ELEMENT));
    this.#buffered = 0;
  }

  async #endShard(): Promise<void> {
    await this.#flush();
    const file = this.#file!, name = this.#shardName();
    if (this.#options.format === "llm.c") {
      await file.seek(0, Deno.SeekMode.Start);
      await writeAll(file, new Uint8Array(Int32Array.of(...shardMagic[this.#options.type], this.#inShard).buffer));
    }
    await file.seek(0, Deno.SeekMode.Start);
    this.#shards.push({ name, tokens: this.#inShard, sha256: (await hashFile(file)).hex() });
    file.close();
    this.#file = undefined;
    this.#inShard = 0;
  }
}
