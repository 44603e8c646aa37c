import { WeftError } from "../engine/weft_error.ts";
import { findDirectory } from "../train/atomic_directory.ts";
import type { Document } from "../train/cleaning/document.ts";
import { corpusStages } from "../train/cleaning/corpus_stages.ts";
import { cleaningReport } from "../train/cleaning/report.ts";
import { documentStages } from "../train/cleaning/stages.ts";
import type { StageStatistics } from "../train/cleaning/statistics.ts";
import { describeOptions, type OptionValues, resolveOptions } from "../train/options.ts";
import { prepareData } from "../train/prepare_data.ts";
import type { DataMeta } from "../train/prepared_data.ts";
import { hashFile, Sha256 } from "../train/sha256.ts";
import { loadAnyTokenizer } from "./any_tokenizer.ts";
import { parseCommandLine } from "./command_line.ts";
import { formatCount, formatDuration } from "./format.ts";
import { readPipelineFile } from "./pipeline_file.ts";
import { Progress } from "./progress.ts";
import { listFiles, standardInput } from "./readers/list_files.ts";
import { readDocuments } from "./readers/read_documents.ts";
import type { Position } from "./readers/read_options.ts";
import { describeReadReport, emptyReadReport, type ReadReport } from "./readers/read_report.ts";

const options = {
  out_dir: { type: "string", default: "", help: "folder to write: shards, tokenizer.json, meta.json" },
  overwrite: { type: "bool", default: false, help: "write over a folder of that name" },
  tokenizer: { type: "string", default: "characters", help: "a tokenizer.json, or `characters` for one of the text's" },
  pipeline: {
    type: "string",
    default: "",
    help: "a YAML file with the stages of cleaning; without one texts stay as they are",
  },
  workers: { type: "int", default: navigator.hardwareConcurrency, min: 0, help: "threads that clean and encode" },
  save_interval: {
    type: "real",
    default: 30,
    min: 0,
    help: "seconds after which what was done is kept in OUT_DIR.work, for when the same command is given again",
  },
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

${describeOptions(options)}

Stages of cleaning, for a file with \`pipeline:\` and a list of names, or of \`stage: NAME\` with options, where FILE:path in
the lists of blocklist and contamination stands for the lines or documents of a file:

${describeStages()}`;

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
  const stages = values.pipeline === "" ? [] : await readPipelineFile(values.pipeline);
  const files = await listFiles(words);
  const tokenizer = values.tokenizer === "characters" ? "characters" : await loadAnyTokenizer(values.tokenizer);
  const report = emptyReadReport(), statistics: StageStatistics[] = [], piped = new Sha256();
  const began = performance.now();
  let shown = began;
  const meta = await prepareData(values.out_dir, (from) => read(files, values, { report, piped, from }), {
    tokenizer,
    pipeline: stages,
    workers: values.workers,
    files: (all): Record<string, string> => {
      statistics.push(...all);
      return stages.length === 0 ? {} : { "cleaning_report.html": cleaningReport(statistics, { notes: files }) };
    },
    documentEnd: separatorOf(values),
    valFraction: values.val_fraction,
    seed: values.seed,
    format: values.format as "nanogpt" | "llm.c",
    shardTokens: values.shard_tokens,
    saveInterval: values.save_interval,
    identity: await identityOf(files, values),
    inputs: () => Promise.all(files.map((path) => describeInput(path, report, piped))),
    onProgress: ({ phase, documents, tokens, mark }) => {
      if (phase === "going on") {
        Object.assign(report, (mark as ReadMark).report);
        return progress.print(`Going on with what ${values.out_dir}.work keeps`);
      }
      const now = performance.now();
      if (now - shown < 1000) return;
      shown = now;
      progress.update(
        phase === "cleaning"
          ? `cleaning: ${formatCount(report.documents)} documents, ${formatCount(report.bytes)}B read`
          : `encoding: ${formatCount(documents)} documents, ${formatCount(tokens)} tokens`,
      );
    },
  });
  const { train, val } = meta.parts;
  progress.print(describeReadReport(report));
  for (const { stage, documents, documentsKept, changed } of statistics) {
    progress.print(`${stage}: ${documentsKept} of ${documents} documents stay, ${changed} changed`);
  }
  progress.print(
    `${values.out_dir}: ${train.tokens} tokens of ${train.documents} documents to learn from, ${val.tokens} of ` +
      `${val.documents} to validate, after ${formatDuration((performance.now() - began) / 1000)}`,
  );
}

/** How far reading has come; plain data. */
interface ReadMark {
  readonly position: Position;
  readonly report: ReadReport;
}

/** The documents of the inputs, from the first one or from a mark on. */
async function* read(
  files: readonly string[],
  values: OptionValues<typeof options>,
  { report, piped, from }: { readonly report: ReadReport; readonly piped: Sha256; readonly from?: unknown },
): AsyncGenerator<Document> {
  const { input_format } = values;
  const documents = readDocuments(files, {
    format: input_format === "auto" ? undefined : input_format as "text" | "jsonl" | "parquet",
    textField: values.text_field,
    documentSeparator: separatorOf(values),
    maxDocumentBytes: values.max_document_bytes,
    invalidUtf8: values.invalid_utf8 as "skip" | "replace",
    damagedFiles: values.damaged_files as "stop" | "skip",
    onStandardInput: (bytes) => piped.update(bytes),
    from: (from as ReadMark | undefined)?.position,
    report,
  });
  for await (const { text, source, next } of documents) {
    yield { text, source, mark: (): ReadMark => ({ position: next, report: structuredClone(report) }) };
  }
}

/** What tells these inputs, read in this way, from others; undefined where they cannot be read again. */
async function identityOf(
  files: readonly string[],
  values: OptionValues<typeof options>,
): Promise<string | undefined> {
  if (files.includes(standardInput)) return undefined;
  const { input_format, text_field, max_document_bytes, invalid_utf8, damaged_files } = values;
  const states = await Promise.all(files.map(async (path) => {
    const { size, mtime } = await Deno.stat(path);
    return [path, size, mtime?.getTime()];
  }));
  return JSON.stringify([states, input_format, text_field, max_document_bytes, invalid_utf8, damaged_files]);
}

function separatorOf({ document_separator }: OptionValues<typeof options>): string | undefined {
  return document_separator === "" ? undefined : document_separator.replaceAll("\\n", "\n");
}

function describeStages(): string {
  return Object.entries({ ...documentStages, ...corpusStages })
    .map(([name, { help }]) => `  ${name.padEnd(20)}${help}`).join("\n");
}

async function describeInput(path: string, report: ReadReport, piped: Sha256): Promise<DataMeta["inputs"][number]> {
  if (path === standardInput) return { path: "standard input", bytes: report.bytes, sha256: piped.hex() };
  using file = await Deno.open(path);
  return { path, bytes: (await file.stat()).size, sha256: (await hashFile(file)).hex() };
}
