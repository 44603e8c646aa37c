import { version } from "../engine/version.ts";
import { WeftError } from "../engine/weft_error.ts";
import { randomU32 } from "../engine/random.ts";
import type { Tokenizer } from "../model/tokenizer.ts";
import { writeDirectory } from "./atomic_directory.ts";
import type { Document } from "./cleaning/document.ts";
import type { Stage } from "./cleaning/pipeline.ts";
import type { DataMeta } from "./prepared_data.ts";
import { ShardWriter } from "./shard_writer.ts";
import type { TokenType } from "./token_shards.ts";

/** How documents become shards. */
export interface PrepareOptions {
  /** Makes ids of texts. Where it has an end-of-text token, one follows each document. */
  readonly tokenizer: Tokenizer;
  /** What follows each document where the tokenizer has no such token. Default: nothing. */
  readonly documentEnd?: string;
  /** Share of documents to validate on, chosen by their hash. Default: 0.01. */
  readonly valFraction?: number;
  /** Seed of that choice. Default: 1337. */
  readonly seed?: number;
  /** nanoGPT's files, or llm.c's. Default: "nanogpt". */
  readonly format?: "nanogpt" | "llm.c";
  /** Tokens of a shard. Default: 100,000,000. */
  readonly shardTokens?: number;
  /** The stages that cleaned the documents, for `meta.json`. */
  readonly pipeline?: readonly Stage[];
  /** Texts of further files of the folder, by name; asked for at the end. */
  readonly files?: () => Readonly<Record<string, string>>;
  /** What was read, for `meta.json`; asked for at the end. */
  readonly inputs?: () => Promise<DataMeta["inputs"]>;
  /** Is called after each document with what was written so far. */
  readonly onProgress?: (progress: { readonly documents: number; readonly tokens: number }) => void;
}

/**
 * Writes documents as a folder of shards: `train_*.bin`, `val_*.bin`, `tokenizer.json` and `meta.json`. The folder is
 * written beside and renamed when it is whole. Whether a document is for validation depends on its text and the seed
 * alone, so that the same text is never in both parts, however often it occurs.
 *
 * @throws {WeftError} when it cannot be written, or one of the parts would be empty.
 */
export async function prepareData(
  folder: string,
  documents: AsyncIterable<Document>,
  options: PrepareOptions,
): Promise<DataMeta> {
  const { tokenizer, valFraction = 0.01, seed = 1337, format = "nanogpt", shardTokens = 1e8 } = options;
  if (!(valFraction > 0 && valFraction < 1)) {
    throw new WeftError(`val_fraction is ${valFraction}: it must be between 0 and 1`);
  }
  const type: TokenType = tokenizer.vocabSize > 65_536 ? "uint32" : "uint16";
  let meta: DataMeta | undefined;
  await writeDirectory(folder, async (path) => {
    using train = new ShardWriter(path, "train", { type, format, shardTokens });
    using val = new ShardWriter(path, "val", { type, format, shardTokens });
    const counts = { train: 0, val: 0 };
    const end = tokenizer.endOfText === undefined
      ? tokenizer.encode(options.documentEnd ?? "")
      : Int32Array.of(tokenizer.endOfText);
    for await (const { text, source } of documents) {
      const part = hashOf(text, seed) / 2 ** 32 < valFraction ? "val" : "train", writer = part === "val" ? val : train;
      await writer.write(encode(tokenizer, text, source));
      await writer.write(end);
      counts[part]++;
      options.onProgress?.({ documents: counts.train + counts.val, tokens: train.tokens + val.tokens });
    }
    for (const [part, count] of Object.entries(counts)) {
      if (count > 0) continue;
      throw new WeftError(
        `Of ${counts.train + counts.val} documents none is for ${part}: take more of them, part texts with ` +
          `document_separator, or change val_fraction (${valFraction}) or seed`,
      );
    }
    const part = async (name: "train" | "val", writer: ShardWriter) => ({
      documents: counts[name],
      tokens: writer.tokens,
      shards: await writer.end(),
    });
    meta = {
      weft: version,
      vocab_size: tokenizer.vocabSize,
      type,
      format,
      seed,
      val_fraction: valFraction,
      pipeline: options.pipeline ?? [],
      inputs: await options.inputs?.() ?? [],
      parts: { train: await part("train", train), val: await part("val", val) },
    };
    for (const [name, text] of Object.entries(options.files?.() ?? {})) {
      await Deno.writeTextFile(`${path}/${name}`, text);
    }
    await Deno.writeTextFile(`${path}/tokenizer.json`, JSON.stringify(tokenizer) + "\n");
    await Deno.writeTextFile(`${path}/meta.json`, JSON.stringify(meta, null, 2) + "\n");
  });
  return meta!;
}

/** A text that spells `<|endoftext|>` does not end there: special tokens are for those who make the data. */
function encode(tokenizer: Tokenizer, text: string, source: string): Int32Array {
  try {
    return tokenizer.encode(text, { specialTokens: "text" });
  } catch (error) {
    if (error instanceof WeftError) error.message = `${source}: ${error.message}`;
    throw error;
  }
}

/** A hash of a text with 32 bits: its code units two at a time through the generator of random numbers. */
function hashOf(text: string, seed: number): number {
  let hash = randomU32(seed, 0, text.length);
  for (let i = 0; i < text.length; i += 2) {
    hash = Math.imul(hash ^ text.charCodeAt(i) ^ (text.charCodeAt(i + 1) || 0) << 16, 0x9e3779b1);
    hash = (hash << 13 | hash >>> 19) >>> 0;
  }
  return randomU32(seed, 1, hash);
}
