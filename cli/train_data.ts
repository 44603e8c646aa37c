import { WeftError } from "../engine/weft_error.ts";
import { CharTokenizer } from "../model/char_tokenizer.ts";
import type { Tokenizer } from "../model/tokenizer.ts";
import { splitTokens } from "../train/batches.ts";
import { loadCorpus } from "../train/corpus.ts";
import { openPreparedData, type PreparedData } from "../train/prepared_data.ts";
import type { TokenSource } from "../train/token_shards.ts";
import { loadTokenizer } from "../train/tokenizer_file.ts";
import type { TrainConfig } from "../train/train_config.ts";
import type { Progress } from "./progress.ts";

/** What a run learns from. */
export interface TrainData {
  /** What it is called in messages. */
  readonly name: string;
  /** What made its ids. */
  readonly tokenizer: Tokenizer;
  /** Tokens to learn from. */
  readonly train: Int32Array<ArrayBuffer> | TokenSource;
  /** Tokens to validate on. */
  readonly validation: Int32Array<ArrayBuffer> | TokenSource;
  /** Id that ends its documents, where they are to be told apart. */
  readonly endOfText?: number;
}

/**
 * A folder of shards, or a text with the tokenizer of the model that is `given`, of the configuration, or made of its
 * characters.
 *
 * @throws {WeftError} when there is none, its tokenizer is not that of the model, or its documents are to be told apart
 * and cannot be.
 */
export async function loadTrainData(
  config: TrainConfig,
  given: Tokenizer | undefined,
  progress: Progress,
): Promise<TrainData> {
  const { dataset } = config;
  if (dataset !== "" && (await Deno.stat(dataset).catch(() => undefined))?.isDirectory) {
    if (config.tokenizer !== "") {
      throw new WeftError(`tokenizer is ${config.tokenizer}, and the folder ${dataset} has its own: leave it out`);
    }
    const data = await openPreparedData(dataset); // stays open for the run
    if (given !== undefined && JSON.stringify(given) !== JSON.stringify(data.tokenizer)) {
      throw new WeftError(`${dataset} has another tokenizer than the model that is to learn from it`);
    }
    const { parts: { train, val }, vocab_size } = data.meta;
    progress.print(
      `data: ${dataset}, ${vocab_size} kinds of tokens; ${train.tokens} tokens of ${train.documents} documents to learn ` +
        `from, ${val.tokens} of ${val.documents} to validate`,
    );
    return {
      ...data,
      name: dataset,
      ...config.document_boundaries ? { endOfText: endOfDocuments(dataset, data) } : {},
    };
  }
  if (config.document_boundaries) {
    throw new WeftError("document_boundaries is true: dataset must be a folder of `deno task data prepare`");
  }
  const { text, name } = await loadCorpus(dataset, { cacheDir: ".cache", log: (line) => progress.print(line) });
  const tokenizer = given ??
    (config.tokenizer === "" ? CharTokenizer.fromText(text) : await loadTokenizer(config.tokenizer));
  const { train, validation } = splitTokens(tokenizer.encode(text));
  const kinds = tokenizer instanceof CharTokenizer ? "kinds" : `kinds of tokens`;
  progress.print(
    `text: ${name}, ${text.length} characters${tokenizer instanceof CharTokenizer ? " of" : ","} ` +
      `${tokenizer.vocabSize} ${kinds}; ${train.length} tokens to learn from, ${validation.length} to validate`,
  );
  return { name, tokenizer, train, validation };
}

/** The id that ends each document of a folder. */
function endOfDocuments(name: string, { tokenizer: { endOfText }, train, validation }: PreparedData): number {
  if (endOfText === undefined) {
    throw new WeftError(
      `document_boundaries is true, and the tokenizer of ${name} has no end-of-text token: leave it out, or prepare ` +
        `the data with a tokenizer that has one`,
    );
  }
  for (const tokens of [train, validation]) {
    const last = new Int32Array(1);
    tokens.copyTo(last, tokens.length - 1);
    if (last[0] === endOfText) continue;
    throw new WeftError(
      `document_boundaries is true, and the documents of ${name} do not end with the end-of-text token ${endOfText}: ` +
        `prepare them again`,
    );
  }
  return endOfText;
}
