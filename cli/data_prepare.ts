import { WeftError } from "../engine/weft_error.ts";
import { CharTokenizer } from "../model/char_tokenizer.ts";
import type { Tokenizer } from "../model/tokenizer.ts";
import { findDirectory } from "../train/atomic_directory.ts";
import { describeOptions, type OptionValues, resolveOptions } from "../train/options.ts";
import { prepareData } from "../train/prepare_data.ts";
import type { DataMeta } from "../train/prepared_data.ts";
import { Sha256 } from "../train/sha256.ts";
import { loadAnyTokenizer } from "./any_tokenizer.ts";
import { parseCommandLine } from "./command_line.ts";
import { formatCount, formatDuration } from "./format.ts";
import { Progress } from "./progress.ts";
import { listFiles, standardInput } from "./readers/list_files.ts";
import { readChunks } from "./readers/read_chunks.ts";
import { readDocuments } from "./readers/read_documents.ts";
import { describeReadReport, emptyReadReport, type ReadReport } from "./readers/read_report.ts";

const options = {
  out_dir: { type: "string", default: "", help: "folder to write: shards, tokenizer.json, meta.json" },
  overwrite: { type: "bool", default: false, help: "write over a folder of that name" },
  tokenizer: { type: "string", default: "characters", help: "a tokenizer.json, or `characters` for one of the text's" },
  format: {
    type: "string",
    choices: ["nanogpt", "llm.c"],
    default: "nanogpt",
    help: "ids alone, or llm.c's header first",
  },
  shard_tokens: { type: "int", default: 100_000_000, min: 1, help: "tokens of a file" },
  val_fraction: { type: "real", default: 0.01, min: 0, below: 1, help: "share of documents to validate on" },
  seed: { type: "int", default: 1337, min: 0, help: "of the choice of those documents" },
  input_format: {
    type: "string",
    choices: ["auto", "text", "jsonl", "parquet"],
    default: "auto",
    help: "what the inputs are; auto as their names say, else as they begin",
  },
  text_field: { type: "string", default: "text", help: "field of JSONL or column of Parquet that holds the text" },
  document_separator: {
    type: "string",
    default: "",
    help: "what stands between documents of plain text, \\n for an end of line; without it a file is one document",
  },
  max_document_bytes: { type: "int", default: 1 << 24, min: 1, help: "larger documents are left out and counted" },
  invalid_utf8: {
    type: "string",
    choices: ["skip", "replace"],
    default: "skip",
    help: "documents that are not UTF-8: left out and counted, or with U+FFFD",
  },
  damaged_files: {
    type: "string",
    choices: ["stop", "skip"],
    default: "stop",
    help: "the rest of a damaged file: an error, or left out and counted",
  },
} as const;

const help = `Turns documents into shards of tokens, which deno task train takes with --dataset=OUT_DIR.

  deno task data prepare INPUT… --out_dir=DIR [--tokenizer=tokenizer.json] [--key=value …]

Inputs are files, folders and patterns of .txt, .jsonl (both also .gz and .zst) and .parquet, or - for standard input.

${describeOptions(options)}`;

/**
 * `deno task data prepare`: reads documents and writes a folder of shards.
 *
 * @throws {WeftError} at what `readDocuments` and `prepareData` throw for, and when the folder is there already.
 */
export async function dataPrepare(args: string[], progress = new Progress()): Promise<void> {
  const { words, flags, help: wantsHelp } = parseCommandLine(args, { words: Infinity, options });
  if (wantsHelp) return progress.print(help);
  const values = resolveOptions(options, [{ source: "command line", values: flags }]);
  if (values.out_dir === "") throw new WeftError("--out_dir is missing: name the folder to write");
  if (!values.overwrite && await findDirectory(values.out_dir) !== undefined) {
    throw new WeftError(`${values.out_dir} exists: write to another folder, or over it with --overwrite=true`);
  }
  const files = await listFiles(words);
  const tokenizer = values.tokenizer === "characters"
    ? await charactersOf(files, values)
    : await loadAnyTokenizer(values.tokenizer);
  const report = emptyReadReport(), began = performance.now();
  let shown = began;
  const meta = await prepareData(values.out_dir, read(files, values, report), {
    tokenizer,
    documentEnd: separatorOf(values),
    valFraction: values.val_fraction,
    seed: values.seed,
    format: values.format as "nanogpt" | "llm.c",
    shardTokens: values.shard_tokens,
    inputs: () => Promise.all(files.map(describeInput)),
    onProgress: ({ documents, tokens }) => {
      const now = performance.now();
      if (now - shown < 1000) return;
      shown = now;
      const pace = `${formatCount(report.bytes / (now - began) * 1000)}B/s`;
      progress.update(`${formatCount(documents)} documents, ${formatCount(tokens)} tokens  ${pace}`);
    },
  });
  const { train, val } = meta.parts;
  progress.print(describeReadReport(report));
  progress.print(
    `${values.out_dir}: ${train.tokens} tokens of ${train.documents} documents to learn from, ${val.tokens} of ` +
      `${val.documents} to validate, after ${formatDuration((performance.now() - began) / 1000)}`,
  );
}

function read(files: readonly string[], values: OptionValues<typeof options>, report: ReadReport) {
  const { input_format } = values;
  return readDocuments(files, {
    format: input_format === "auto" ? undefined : input_format as "text" | "jsonl" | "parquet",
    textField: values.text_field,
    documentSeparator: separatorOf(values),
    maxDocumentBytes: values.max_document_bytes,
    invalidUtf8: values.invalid_utf8 as "skip" | "replace",
    damagedFiles: values.damaged_files as "stop" | "skip",
    report,
  });
}

function separatorOf({ document_separator }: OptionValues<typeof options>): string | undefined {
  return document_separator === "" ? undefined : document_separator.replaceAll("\\n", "\n");
}

/** The tokenizer of the characters of all documents, which are read once for it. */
async function charactersOf(files: readonly string[], values: OptionValues<typeof options>): Promise<Tokenizer> {
  if (files.includes(standardInput)) {
    throw new WeftError("Standard input cannot be read twice: give a tokenizer.json with --tokenizer");
  }
  const characters = new Set<string>(separatorOf(values));
  for await (const { text } of read(files, values, emptyReadReport())) {
    for (const character of text) characters.add(character);
  }
  return CharTokenizer.fromText([...characters].join(""));
}

async function describeInput(path: string): Promise<DataMeta["inputs"][number]> {
  if (path === standardInput) return { path, bytes: 0, sha256: "" };
  const hash = new Sha256();
  let bytes = 0;
  for await (const chunk of readChunks(path)) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { path, bytes, sha256: hash.hex() };
}
