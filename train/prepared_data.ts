import { WeftError } from "../engine/weft_error.ts";
import type { Tokenizer } from "../model/tokenizer.ts";
import { findDirectory } from "./atomic_directory.ts";
import type { WrittenShard } from "./shard_writer.ts";
import { loadTokenizer } from "./tokenizer_file.ts";
import { TokenShards, type TokenType } from "./token_shards.ts";

/** What `meta.json` says of a folder of shards. */
export interface DataMeta {
  /** Version of Weft that made it. */
  readonly weft: string;
  /** Kinds of tokens. */
  readonly vocab_size: number;
  /** How ids are stored. */
  readonly type: TokenType;
  /** nanoGPT's files, or llm.c's. */
  readonly format: "nanogpt" | "llm.c";
  /** Seed of the choice of documents to validate on. */
  readonly seed: number;
  /** Share of documents to validate on. */
  readonly val_fraction: number;
  /** The stages that cleaned the documents, with all of their options; of a long list the length and the hash of its JSON. */
  readonly pipeline: readonly { readonly stage: string; readonly options: Readonly<Record<string, unknown>> }[];
  /** What was read. */
  readonly inputs: readonly { readonly path: string; readonly bytes: number; readonly sha256: string }[];
  /** Counts and files of both parts. */
  readonly parts: Readonly<Record<"train" | "val", DataPart>>;
}

/** A part of the data: what is learned from, or what is never seen. */
export interface DataPart {
  /** How many documents it has. */
  readonly documents: number;
  /** How many tokens. */
  readonly tokens: number;
  /** Its files, in order. */
  readonly shards: readonly WrittenShard[];
}

/** A folder that `deno task data prepare` wrote, opened. */
export interface PreparedData extends Disposable {
  /** What the folder says of itself. */
  readonly meta: DataMeta;
  /** Its tokenizer. */
  readonly tokenizer: Tokenizer;
  /** Tokens to learn from. */
  readonly train: TokenShards;
  /** Tokens to validate on. */
  readonly validation: TokenShards;
}

/**
 * Opens a folder of shards.
 *
 * @throws {WeftError} when it is none, or a file of it is missing or has another length than it says.
 */
export async function openPreparedData(folder: string): Promise<PreparedData> {
  const path = await findDirectory(folder);
  if (path === undefined) throw new WeftError(`${folder} does not exist: make it with \`deno task data prepare\``);
  const meta = await readMeta(path);
  const tokenizer = await loadTokenizer(path);
  const open = (part: "train" | "val") => {
    const { shards, tokens } = meta.parts[part];
    const opened = TokenShards.open(shards.map(({ name }) => `${path}/${name}`), {
      type: meta.type,
      vocabSize: tokenizer.vocabSize,
    });
    if (opened.length === tokens) return opened;
    opened[Symbol.dispose]();
    throw new WeftError(`${path} is damaged: ${part} has ${opened.length} tokens, and meta.json says ${tokens}`);
  };
  const train = open("train");
  try {
    const validation = open("val");
    const dispose = () => [train, validation].forEach((shards) => shards[Symbol.dispose]());
    return { meta, tokenizer, train, validation, [Symbol.dispose]: dispose };
  } catch (error) {
    train[Symbol.dispose]();
    throw error;
  }
}

async function readMeta(path: string): Promise<DataMeta> {
  const file = `${path}/meta.json`;
  let meta: DataMeta;
  try {
    meta = JSON.parse(await Deno.readTextFile(file));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new WeftError(`${path} has no meta.json: give a text file, or a folder of \`deno task data prepare\``);
    }
    throw new WeftError(`${file} cannot be read: ${(error as Error).message}`);
  }
  const isPart = (part?: DataPart) => Array.isArray(part?.shards) && Number.isSafeInteger(part?.tokens);
  if (!["uint16", "uint32"].includes(meta?.type) || !isPart(meta.parts?.train) || !isPart(meta.parts?.val)) {
    throw new WeftError(`${file} is damaged: it needs type, and parts train and val with shards and tokens`);
  }
  return meta;
}
