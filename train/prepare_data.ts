import { version } from "../engine/version.ts";
import { WeftError } from "../engine/weft_error.ts";
import { CharTokenizer } from "../model/char_tokenizer.ts";
import type { Tokenizer } from "../model/tokenizer.ts";
import { replaceDirectory } from "./atomic_directory.ts";
import { type CleaningState, type SurvivorPlace, Survivors } from "./cleaning/clean_corpus.ts";
import { type Document, type DocumentSource, inBatches } from "./cleaning/document.ts";
import type { Stage } from "./cleaning/pipeline.ts";
import type { StageStatistics } from "./cleaning/statistics.ts";
import { encodeSetupOf, prepareEncoder } from "./encode_batch.ts";
import type { DataMeta } from "./prepared_data.ts";
import { Sha256 } from "./sha256.ts";
import { type ShardState, ShardWriter } from "./shard_writer.ts";
import type { TokenType } from "./token_shards.ts";
import { WorkFolder } from "./work_folder.ts";
import { inWorkers } from "./worker_pool.ts";

/** How documents become shards. */
export interface PrepareOptions {
  /**
   * Makes ids of texts; "characters" is the tokenizer of the characters that the texts have. Where it has an end-of-text
   * token, one follows each document.
   */
  readonly tokenizer: Tokenizer | "characters";
  /** What follows each document where the tokenizer has no such token. Default: nothing. */
  readonly documentEnd?: string;
  /** Stages that clean the documents. Default: none. */
  readonly pipeline?: readonly Stage[];
  /** Web Workers that clean and encode. Default: one for each core. */
  readonly workers?: number;
  /** Share of documents to validate on, chosen by their hash. Default: 0.01. */
  readonly valFraction?: number;
  /** Seed of that choice. Default: 1337. */
  readonly seed?: number;
  /** nanoGPT's files, or llm.c's. Default: "nanogpt". */
  readonly format?: "nanogpt" | "llm.c";
  /** Tokens of a shard. Default: 100,000,000. */
  readonly shardTokens?: number;
  /**
   * What the documents are, as a text that changes when they do. With it and a `DocumentSource`, work that was stopped goes
   * on where it was last saved when the same is asked for again; without, it begins anew.
   */
  readonly identity?: string;
  /** Seconds from one saving of the work to the next. Default: 30. */
  readonly saveInterval?: number;
  /** Texts of further files of the folder, by name; asked for at the end with what the stages did. */
  readonly files?: (statistics: readonly StageStatistics[]) => Readonly<Record<string, string>>;
  /** What was read, for `meta.json`; asked for at the end. */
  readonly inputs?: () => Promise<DataMeta["inputs"]>;
  /** Is told how far the work is: at its begin where it goes on with what was saved, and after each batch. */
  readonly onProgress?: (progress: PrepareProgress) => void;
}

/** How far the work is. */
export interface PrepareProgress {
  /** What is done. */
  readonly phase: "going on" | "cleaning" | "encoding";
  /** Documents that were encoded. */
  readonly documents: number;
  /** Their tokens. */
  readonly tokens: number;
  /** With "going on": the mark of the document to go on after, which was the last that was read. */
  readonly mark?: unknown;
}

const parts = ["train", "val"] as const;

/** How far the work has come; plain data. */
interface PrepareState {
  readonly cleaning?: CleaningState;
  readonly encoding?: EncodingState;
}

interface EncodingState {
  /** Mark of the last document that was encoded. */
  readonly mark: unknown;
  readonly documents: Readonly<Record<"train" | "val", number>>;
  readonly shards: Readonly<Record<"train" | "val", ShardState>>;
}

/**
 * Writes documents as a folder of shards: `train_*.bin`, `val_*.bin`, `tokenizer.json` and `meta.json`. The work is done in
 * `FOLDER.work`, where it is saved now and then, and the folder is there when it is whole. Whether a document is for
 * validation depends on its text and the seed alone, so that the same text is never in both parts, however often it occurs.
 *
 * What is written is the same whatever the number of workers, and however often the work was stopped.
 *
 * @throws {WeftError} when it cannot be written, or one of the parts would be empty.
 */
export async function prepareData(
  folder: string,
  documents: AsyncIterable<Document> | DocumentSource,
  options: PrepareOptions,
): Promise<DataMeta> {
  const { valFraction = 0.01 } = options;
  if (!(valFraction > 0 && valFraction < 1)) {
    throw new WeftError(`val_fraction is ${valFraction}: it must be between 0 and 1`);
  }
  const source = typeof documents === "function" ? documents : () => documents;
  const canGoOn = options.identity !== undefined && typeof documents === "function";
  const key = canGoOn ? keyOf(options) : crypto.randomUUID(); // never met again
  const work = await WorkFolder.open<PrepareState>(`${folder}.work`, key);
  try {
    const meta = await new Preparation(work, source, canGoOn, options).run();
    await replaceDirectory(folder, `${work.path}/${outName}`);
    await work.remove();
    return meta;
  } catch (error) {
    if (!work.isSaved) await work.remove();
    else if (error instanceof WeftError) error.message += ` (${work.path} keeps what was done, for the same command)`;
    throw error;
  } finally {
    work[Symbol.dispose]();
  }
}

const outName = "out";

/** All that the bytes depend on. */
function keyOf(options: PrepareOptions): string {
  const { identity, tokenizer, documentEnd, pipeline, valFraction, seed, format, shardTokens } = options;
  const all = [version, identity, tokenizer, documentEnd, pipeline, valFraction, seed, format, shardTokens];
  const hash = new Sha256();
  hash.update(new TextEncoder().encode(JSON.stringify(all)));
  return hash.hex();
}

/** One piece of work: cleaning into a file where there is something to clean, then encoding into shards. */
class Preparation {
  readonly #work: WorkFolder<PrepareState>;
  readonly #source: DocumentSource;
  readonly #options: PrepareOptions;
  readonly #canGoOn: boolean;
  #saved = performance.now();

  constructor(work: WorkFolder<PrepareState>, source: DocumentSource, canGoOn: boolean, options: PrepareOptions) {
    this.#work = work;
    this.#source = source;
    this.#canGoOn = canGoOn;
    this.#options = options;
  }

  async run(): Promise<DataMeta> {
    const { tokenizer, pipeline = [], files, documentEnd = "" } = this.#options;
    if (this.#work.state !== undefined) {
      const { cleaning, encoding } = this.#work.state;
      this.#tell("going on", encoding, (cleaning ?? encoding)?.mark);
    }
    await this.#work.makeFolder(outName);
    if (tokenizer !== "characters" && pipeline.length === 0) {
      return await this.#encode(tokenizer, this.#source, {}, () => files?.([]) ?? {});
    }
    // the characters of all texts are known only after all were read, so that these wait in a file too
    const { cleaning: before, encoding } = this.#work.state ?? {}, { workers } = this.#options;
    const survivors = new Survivors(this.#work, pipeline, before);
    const cleaning = await survivors.takeIn(this.#source, {
      workers,
      onBatch: (state) => {
        this.#save(() => ({ cleaning: state }));
        this.#tell("cleaning", encoding);
      },
    });
    return await this.#encode(
      tokenizer === "characters" ? charactersOf(survivors, documentEnd) : tokenizer,
      (from) => iterate(survivors.read(from as SurvivorPlace | undefined)),
      { cleaning },
      () => files?.(survivors.statistics) ?? {},
    );
  }

  async #encode(
    tokenizer: Tokenizer,
    source: DocumentSource,
    before: PrepareState,
    files: () => Readonly<Record<string, string>>,
  ): Promise<DataMeta> {
    const { seed = 1337, format = "nanogpt", shardTokens = 1e8, valFraction = 0.01, workers } = this.#options;
    const type: TokenType = tokenizer.vocabSize > 65_536 ? "uint32" : "uint16";
    const from = this.#work.state?.encoding, counts = { train: 0, val: 0, ...from?.documents };
    const [train, val] = parts.map((part) =>
      new ShardWriter(this.#work, `${outName}/${part}`, { type, format, shardTokens }, from?.shards[part])
    );
    const end = tokenizer.endOfText === undefined
      ? tokenizer.encode(this.#options.documentEnd ?? "")
      : Int32Array.of(tokenizer.endOfText);
    const data = encodeSetupOf(tokenizer);
    const setup = { tokenizer: data ?? tokenizer, end, seed };
    const work = { url: new URL("./encode_worker.ts", import.meta.url), prepare: prepareEncoder, setup };
    const threads = data === undefined ? 0 : workers;
    for await (const { input, output } of inWorkers(inBatches(source(from?.mark)), { ...work, workers: threads })) {
      const { ids, lengths, hashes } = output;
      for (let i = 0, at = 0; i < lengths.length; at += lengths[i++]) {
        const part = hashes[i] / 2 ** 32 < valFraction ? "val" : "train", writer = part === "val" ? val : train;
        writer.write(ids.subarray(at, at + lengths[i]));
        counts[part]++;
      }
      const state = () => ({ mark: input.mark, documents: counts, shards: { train: train.state, val: val.state } });
      if (input.mark !== undefined) this.#save(() => ({ ...before, encoding: state() }));
      this.#tell("encoding", state());
    }
    for (const part of parts) {
      if (counts[part] > 0) continue;
      throw new WeftError(
        `Of ${counts.train + counts.val} documents none is for ${part}: take more of them, part texts with ` +
          `document_separator, or change val_fraction (${valFraction}) or seed`,
      );
    }
    const described = (name: "train" | "val", writer: ShardWriter) => ({
      documents: counts[name],
      tokens: writer.tokens,
      shards: writer.end(),
    });
    const meta: DataMeta = {
      weft: version,
      vocab_size: tokenizer.vocabSize,
      type,
      format,
      seed,
      val_fraction: valFraction,
      pipeline: (this.#options.pipeline ?? []).map(describeStage),
      inputs: await this.#options.inputs?.() ?? [],
      parts: { train: described("train", train), val: described("val", val) },
    };
    const path = `${this.#work.path}/${outName}`;
    for (const [name, text] of Object.entries(files())) await Deno.writeTextFile(`${path}/${name}`, text);
    await Deno.writeTextFile(`${path}/tokenizer.json`, JSON.stringify(tokenizer) + "\n");
    await Deno.writeTextFile(`${path}/meta.json`, JSON.stringify(meta, null, 2) + "\n");
    return meta;
  }

  /** Saves where the work stands, if it is time. */
  #save(state: () => PrepareState): void {
    const { saveInterval = 30 } = this.#options;
    if (!this.#canGoOn || performance.now() - this.#saved < 1000 * saveInterval) return;
    this.#work.save(state());
    this.#saved = performance.now();
  }

  #tell(phase: PrepareProgress["phase"], state: EncodingState | undefined, mark?: unknown): void {
    const count = (part: "train" | "val") => {
      const { shards = [], inShard = 0 } = state?.shards[part] ?? {};
      return shards.reduce((sum, { tokens }) => sum + tokens, inShard);
    };
    const { train = 0, val = 0 } = state?.documents ?? {};
    this.#options.onProgress?.({ phase, documents: train + val, tokens: count("train") + count("val"), mark });
  }
}

const mostListed = 20;

/** A stage for `meta.json`, where a long list is told by its length and its hash. */
function describeStage({ stage, options }: Stage): DataMeta["pipeline"][number] {
  const described = Object.entries(options).map(([name, value]) => {
    if (!Array.isArray(value) || value.length <= mostListed) return [name, value];
    const hash = new Sha256();
    hash.update(new TextEncoder().encode(JSON.stringify(value)));
    return [name, { items: value.length, sha256: hash.hex() }];
  });
  return { stage, options: Object.fromEntries(described) };
}

/** The tokenizer of the characters of the texts and of what is put after each. */
function charactersOf(survivors: Survivors, documentEnd: string): CharTokenizer {
  const characters = new Set<string>(documentEnd);
  for (const { text } of survivors.read()) {
    for (const character of text) characters.add(character);
  }
  return CharTokenizer.fromText([...characters].join(""));
}

async function* iterate<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* items;
}
