import { WeftError } from "../../engine/weft_error.ts";
import { checkFields } from "./check_fields.ts";
import { ChunkReader } from "./chunk_reader.ts";
import { DamagedFile } from "./damaged_file.ts";
import { type Compression, compressionOf, decompress } from "./decompress.ts";
import { listFiles, standardInput } from "./list_files.ts";
import { readChunks } from "./read_chunks.ts";
import type { FileOptions, PlacedDocument, Position, ReadOptions } from "./read_options.ts";
import { readJsonl, readText } from "./read_records.ts";
import { countSkipped, describeReadReport, emptyReadReport, type ReadReport, skipReasons } from "./read_report.ts";

/**
 * The documents of files, folders, patterns and standard input (`-`), in the order of `listFiles`: plain text and
 * JSONL, also in gzip and zstd, and Parquet. Everything streams; what is held is bounded by `maxDocumentBytes`. What
 * cannot be read is left out and counted in `report`, with the first places.
 *
 * A document's `next` is where another run goes on after it with `from`, given the same inputs and options.
 *
 * @throws {WeftError} when there is nothing to read, when a file cannot be opened, is damaged (unless such are skipped)
 *   or has no such field at all, and at the end when no document was found.
 *
 * @example
 * ```ts
 * import { readDocuments } from "./read_documents.ts";
 * const path = await Deno.makeTempFile({ suffix: ".jsonl" });
 * await Deno.writeTextFile(path, '{"text": "one"}\n{"text": "two"}\n');
 * for await (const { text } of readDocuments([path])) console.log(text); // one, two
 * await Deno.remove(path);
 * ```
 */
export async function* readDocuments(
  inputs: readonly string[],
  options: ReadOptions = {},
): AsyncGenerator<PlacedDocument> {
  checkOptions(options);
  const paths = await listFiles(inputs), { from, report = emptyReadReport() } = options;
  if (from && from.file > paths.length) {
    throw new WeftError(`Reading cannot go on in file ${from.file}: there are ${paths.length} now`);
  }
  const before = report.documents;
  for (let file = from?.file ?? 0; file < paths.length; file++) {
    const start = file === from?.file ? from : { file, document: 0 };
    if (start === from) report.bytes = report.bytesBefore + (from.byte ?? 0); // what was read ahead is read again
    else report.bytesBefore = report.bytes;
    yield* readFile(paths[file], start, options, report);
    if (report.documents === before && from === undefined) {
      checkFields(paths[file], options.textField ?? "text", report);
    }
    report.files++;
  }
  if (report.documents === before && from === undefined) {
    throw new WeftError(`There is no document to read: ${hintAt(report)}${describeReadReport(report)}`);
  }
}

function checkOptions({ documentSeparator, maxDocumentBytes = 1 }: ReadOptions): void {
  if (documentSeparator === "") throw new WeftError("document_separator is empty: it must be a text, or be left out");
  if (!(maxDocumentBytes >= 1)) {
    throw new WeftError(`max_document_bytes is ${maxDocumentBytes}: it must be at least 1`);
  }
}

/** The documents of a file from a place on; errors of the file come with its name. */
async function* readFile(
  path: string,
  start: Position,
  options: ReadOptions,
  report: ReadReport,
): AsyncGenerator<PlacedDocument> {
  const { documents, skipped } = report, skippedBefore = countAll(skipped);
  try {
    yield* documentsOf(path, start, options, report);
    if (start.document === 0 && report.documents === documents && countAll(skipped) === skippedBefore) {
      countSkipped(report, "empty_file", path);
    }
  } catch (error) {
    if (error instanceof WeftError) throw error;
    if (!(error instanceof DamagedFile)) {
      if (!isOfTheSystem(error)) throw error;
      throw new WeftError(`${path} cannot be read: ${error.message}`);
    }
    const where = `${path} is damaged or cut off after ${report.documents - documents} documents: ${error.message}`;
    if (options.damagedFiles !== "skip") {
      throw new WeftError(`${where}; bring it anew, or leave the rest of such files out with damaged_files=skip`);
    }
    countSkipped(report, "damaged_file", where);
  }
}

/** Whether the operating system refused something, as by ENOENT, EACCES or EIO. */
function isOfTheSystem(error: unknown): error is Error {
  return error instanceof Error && /^E[A-Z]+$/.test((error as Error & { code?: string }).code ?? "");
}

async function* documentsOf(
  path: string,
  start: Position,
  options: ReadOptions,
  report: ReadReport,
): AsyncGenerator<PlacedDocument> {
  const fileOptions: FileOptions = {
    path,
    file: start.file,
    textField: options.textField ?? "text",
    documentSeparator: options.documentSeparator,
    maxDocumentBytes: options.maxDocumentBytes ?? 1 << 24,
    invalidUtf8: options.invalidUtf8 ?? "skip",
    firstDocument: start.document,
    report,
  };
  const bytesBefore = report.bytes;
  const onBytes = path === standardInput ? options.onStandardInput : undefined;
  const raw = new ChunkReader(readChunks(path, { report, onBytes }));
  let content: ChunkReader | undefined;
  try {
    const compression = checkCompression(path, await raw.peek(4));
    if (compression === "none" && isParquet(path, await raw.peek(4), options)) {
      if (path === standardInput) throw new WeftError("Parquet cannot be read from standard input: name the file");
      report.bytes = bytesBefore; // the start was only looked at
      const { readParquet } = await import("./read_parquet.ts");
      return yield* readParquet(fileOptions);
    }
    content = new ChunkReader(decompress(raw.rest(), compression));
    const isJsonl = await looksLikeJsonl(path, content, options);
    const read = isJsonl ? readJsonl : readText;
    if (compression === "none" && path !== standardInput) {
      // positions hold bytes, and what is before the first one that is wanted need not be read
      const { byte = 0 } = start, record = start.byte === undefined ? 0 : start.document;
      if (byte > 0) report.bytes = bytesBefore; // the start was only looked at
      const from = byte === 0 ? content.rest() : readChunks(path, { start: byte, report });
      yield* read(from, { byte, record }, fileOptions);
    } else yield* read(content.rest(), { record: 0 }, fileOptions);
  } finally {
    await content?.close();
    await raw.close();
  }
}

/** How the file is compressed, which must be as its name says. */
function checkCompression(path: string, start: Uint8Array): Compression {
  const found = compressionOf(start);
  const named = /\.gz$/i.test(path) ? "gzip" : /\.zstd?$/i.test(path) ? "zstd" : undefined;
  if (named === undefined || named === found || start.length === 0) return found;
  throw new DamagedFile(`it begins unlike ${named}`);
}

function isParquet(path: string, start: Uint8Array, { format }: ReadOptions): boolean {
  if (format !== undefined) return format === "parquet";
  return /\.parquet$/i.test(path) || new TextDecoder().decode(start) === "PAR1";
}

async function looksLikeJsonl(path: string, content: ChunkReader, { format }: ReadOptions): Promise<boolean> {
  if (format !== undefined) return format === "jsonl";
  const ending = /\.(\w+)(\.(gz|zst|zstd))?$/.exec(path)?.[1].toLowerCase() ?? "";
  if (["jsonl", "ndjson", "json"].includes(ending)) return true;
  if (["txt", "text", "md"].includes(ending)) return false;
  return /^\ufeff?\s*\{\s*"/.test(new TextDecoder("utf-8", { ignoreBOM: true }).decode(await content.peek(256)));
}

/** What may help when nothing was found. */
function hintAt({ skipped }: ReadReport): string {
  return skipped.too_large === undefined
    ? ""
    : "name what stands between documents with document_separator, or allow larger ones with max_document_bytes; ";
}

function countAll(skipped: ReadReport["skipped"]): number {
  return (Object.keys(skipReasons) as (keyof typeof skipped)[])
    .reduce((sum, reason) => sum + (skipped[reason]?.count ?? 0), 0);
}
