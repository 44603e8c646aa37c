import { WeftError } from "../engine/weft_error.ts";
import { Sha256 } from "./sha256.ts";
import { headerBytes, shardMagic, type TokenType } from "./token_shards.ts";
import type { GrowingFile, WorkFolder } from "./work_folder.ts";

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

/** How far the shards of a name have come; plain data. */
export interface ShardState {
  /** Those that are whole. */
  readonly shards: readonly WrittenShard[];
  /** Tokens of the one that is not. */
  readonly inShard: number;
}

/**
 * Writes tokens into files `NAME_000000.bin`, `NAME_000001.bin`, … of a folder to work in. A shard ends at its number of
 * tokens, wherever documents end.
 */
export class ShardWriter {
  #folder: WorkFolder<unknown>;
  #name: string;
  #options: ShardOptions;
  #shards: WrittenShard[];
  #inShard: number;

  /** Shards of that name, which may begin with folders; in a state, those that go on from there. */
  constructor(folder: WorkFolder<unknown>, name: string, options: ShardOptions, state?: ShardState) {
    this.#folder = folder;
    this.#name = name;
    this.#options = options;
    this.#shards = [...state?.shards ?? []];
    this.#inShard = state?.inShard ?? 0;
  }

  /** How far it has come. */
  get state(): ShardState {
    return { shards: [...this.#shards], inShard: this.#inShard };
  }

  /** How many tokens were written. */
  get tokens(): number {
    return this.#shards.reduce((sum, { tokens }) => sum + tokens, this.#inShard);
  }

  /**
   * Adds tokens.
   *
   * @throws {WeftError} at an id that the type does not hold.
   */
  write(ids: Int32Array): void {
    const { type, format, shardTokens } = this.#options, most = type === "uint16" ? 65_535 : 2 ** 31 - 1;
    const wrong = ids.findIndex((id) => id < 0 || id > most);
    if (wrong >= 0) throw new WeftError(`The id ${ids[wrong]} does not fit ${type}: at most ${most}`);
    const stored = type === "uint16" ? Uint16Array.from(ids) : ids;
    for (let from = 0; from < ids.length;) {
      const file = this.#folder.file(this.#path());
      if (this.#inShard === 0 && file.length === 0 && format === "llm.c") file.append(new Uint8Array(headerBytes));
      const part = stored.subarray(from, from + shardTokens - this.#inShard);
      file.append(new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
      this.#inShard += part.length;
      from += part.length;
      if (this.#inShard === shardTokens) this.#endShard(file);
    }
  }

  /** Ends the last shard and says what was written. */
  end(): readonly WrittenShard[] {
    if (this.#inShard > 0) this.#endShard(this.#folder.file(this.#path()));
    return this.#shards;
  }

  #path(): string {
    return `${this.#name}_${String(this.#shards.length).padStart(6, "0")}.bin`;
  }

  #endShard(file: GrowingFile): void {
    const path = this.#path(), { type, format } = this.#options;
    if (format === "llm.c") {
      file.writeAt(0, new Uint8Array(Int32Array.of(...shardMagic[type], this.#inShard).buffer));
    }
    const name = path.slice(path.lastIndexOf("/") + 1);
    this.#shards.push({ name, tokens: this.#inShard, sha256: hashOf(file) });
    this.#folder.close(path);
    this.#inShard = 0;
  }
}

function hashOf(file: GrowingFile): string {
  const hash = new Sha256(), window = new Uint8Array(1 << 20);
  for (let at = 0; at < file.length; at += window.length) {
    const part = window.subarray(0, Math.min(window.length, file.length - at));
    file.readAt(at, part);
    hash.update(part);
  }
  return hash.hex();
}
