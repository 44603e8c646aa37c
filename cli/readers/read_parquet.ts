// deno-lint-ignore-file no-import-prefix
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from "node:zlib";
import { parquetMetadataAsync, parquetSchema } from "npm:hyparquet@1.31.5";
import { parquetHeader, readPage } from "npm:hyparquet@1.31.5/src/column.js";
import { compressors } from "npm:hyparquet-compressors@1.1.2";
import { WeftError } from "../../engine/weft_error.ts";
import { ChunkReader } from "./chunk_reader.ts";
import { DamagedFile } from "./damaged_file.ts";
import { decodeText } from "./decode_text.ts";
import { readChunks } from "./read_chunks.ts";
import type { FileOptions, PlacedDocument } from "./read_options.ts";
import { countSkipped } from "./read_report.ts";

type Metadata = Awaited<ReturnType<typeof parquetMetadataAsync>>;
type ColumnDecoder = Parameters<typeof readPage>[2];
type PageHeader = ReturnType<typeof parquetHeader>;
type Values = Parameters<typeof readPage>[3];

/** Pages of more bytes are left out: writers end a page at a megabyte, or with the document that is larger. */
const maxPageBytes = 1 << 28;
/** The description of a file at its end, and that of a page before it, may not be larger. */
const maxFooterBytes = 1 << 28, maxHeaderBytes = 1 << 26;

/**
 * The documents of a column of a Parquet file. The file is read page by page, so that no more of it is in memory than
 * the description at its end, a page, and the dictionary of a column.
 *
 * @throws {WeftError} when the file has no such column, or one that does not hold texts.
 * @throws {DamagedFile} where it cannot be read further.
 */
export async function* readParquet(options: FileOptions): AsyncGenerator<PlacedDocument> {
  using file = await Deno.open(options.path);
  const metadata = await sound(() => readMetadata(file));
  const decoder = decoderOf(metadata, options);
  let row = 0;
  for (const group of metadata.row_groups) {
    const rows = Number(group.num_rows);
    const column = group.columns.find(({ meta_data: meta }) => meta?.path_in_schema.join(".") === options.textField);
    if (column?.meta_data === undefined) throw new DamagedFile(`a group of rows lacks the column`);
    if (row + rows > options.firstDocument) {
      const { codec, dictionary_page_offset, data_page_offset, total_compressed_size: size } = column.meta_data;
      const start = Number(dictionary_page_offset || data_page_offset);
      yield* readColumnChunk(start, Number(size), row, { ...decoder, codec }, options);
      for (const { meta_data: meta } of group.columns) options.report.bytes += Number(meta?.total_compressed_size ?? 0);
    }
    row += rows;
  }
}

/** The documents of a column's part of a group of rows, whose first row has that number. */
async function* readColumnChunk(
  start: number,
  size: number,
  firstRow: number,
  decoder: ColumnDecoder,
  options: FileOptions,
): AsyncGenerator<PlacedDocument> {
  const { path, file, report, firstDocument } = options;
  const reader = new ChunkReader(readChunks(path, { start, end: start + size }));
  try {
    let row = firstRow, dictionary: Values;
    while ((await reader.peek(1)).length > 0) {
      const header = await readPageHeader(reader);
      const rows = rowsOf(header), compressed = header.compressed_page_size;
      if (header.uncompressed_page_size > maxPageBytes || compressed > maxPageBytes) {
        if (header.type === "DICTIONARY_PAGE") throw new DamagedFile("a dictionary is too large");
        countSkipped(report, "too_large", `${path}:${row + 1}: a page of ${header.uncompressed_page_size} bytes`, rows);
        await reader.skip(compressed);
      } else if (row + rows <= firstDocument && header.type !== "DICTIONARY_PAGE") {
        await reader.skip(compressed);
      } else {
        const bytes = (await reader.take(compressed)).slice(); // a copy, since texts stay views of it
        const view = new DataView(bytes.buffer);
        const { data } = await sound(() => readPage({ view, offset: 0 }, header, decoder, dictionary, undefined, 0));
        if (header.type === "DICTIONARY_PAGE") dictionary = data;
        else {
          for (const [i, value] of (data as (Uint8Array | null | undefined)[]).entries()) {
            const number = row + i;
            if (number < firstDocument) continue;
            const text = takeText(value, `${path}:${number + 1}`, options);
            if (text === undefined) continue;
            report.documents++;
            yield {
              text,
              source: `${path}:${number + 1}`,
              position: { file, document: number },
              next: { file, document: number + 1 },
            };
          }
        }
      }
      row += rows;
    }
  } finally {
    await reader.close();
  }
}

/** The text of a value, or undefined after it was counted why there is none. */
function takeText(value: Uint8Array | null | undefined, source: string, options: FileOptions): string | undefined {
  const { report, maxDocumentBytes, invalidUtf8, textField } = options;
  if (!(value instanceof Uint8Array)) countSkipped(report, "no_text", `${source}: ${textField} is null`);
  else if (value.length > maxDocumentBytes) countSkipped(report, "too_large", `${source}: ${value.length} bytes`);
  else {
    const text = decodeText(value, invalidUtf8);
    if (text === undefined) countSkipped(report, "invalid_utf8", source);
    else if (!/\S/.test(text)) countSkipped(report, "empty_document", source);
    else return text;
  }
}

async function readMetadata(file: Deno.FsFile): Promise<Metadata> {
  const { size } = await file.stat();
  if (size < 12) throw new DamagedFile("it is too short for a Parquet file");
  const slice = async (start: number, end = size) => {
    const bytes = new Uint8Array(end - start);
    await file.seek(start, Deno.SeekMode.Start);
    for (let at = 0; at < bytes.length;) {
      const count = await file.read(bytes.subarray(at));
      if (count === null) throw new DamagedFile("it became shorter while it was read");
      at += count;
    }
    return bytes.buffer;
  };
  const footerBytes = new DataView(await slice(size - 8)).getUint32(0, true);
  if (footerBytes > maxFooterBytes) throw new DamagedFile(`the description at its end has ${footerBytes} bytes`);
  return await parquetMetadataAsync({ byteLength: size, slice });
}

/** How the values of the column are decoded, as far as it is the same for all groups of rows. */
function decoderOf(metadata: Metadata, { path, textField }: FileOptions): Omit<ColumnDecoder, "codec"> {
  const root = parquetSchema(metadata), node = root.children.find(({ element }) => element.name === textField);
  if (node === undefined) {
    const names = root.children.map(({ element }) => element.name).join(", ");
    throw new WeftError(`${path} has no column ${textField}: its columns are ${names}; name one with text_field`);
  }
  const { element } = node;
  if (element.type !== "BYTE_ARRAY" || element.repetition_type === "REPEATED") {
    const kind = node.children.length > 0 || element.repetition_type === "REPEATED" ? "lists or records" : element.type;
    throw new WeftError(`The column ${textField} of ${path} holds ${kind} and not texts; name another with text_field`);
  }
  const asTheyAre = (bytes: Uint8Array) => bytes; // decoded here, so that what is not UTF-8 is seen
  return {
    pathInSchema: [textField],
    type: element.type,
    element: { ...element, converted_type: "UTF8", logical_type: undefined },
    schemaPath: [root, node],
    compressors: pageCompressors,
    parsers: { stringFromBytes: asTheyAre } as ColumnDecoder["parsers"],
  };
}

/** Those of Deno are quicker than those in JavaScript, and end where a page is longer than it says. */
const pageCompressors: ColumnDecoder["compressors"] = {
  ...compressors,
  GZIP: (input, length) => gunzipSync(input, { maxOutputLength: Math.max(length, 1) }),
  ZSTD: (input, length) => zstdDecompressSync(input, { maxOutputLength: Math.max(length, 1) }),
  BROTLI: (input, length) => brotliDecompressSync(input, { maxOutputLength: Math.max(length, 1) }),
};

/** The header of the page at which the reader stands. Its length is not known before, since it may quote texts. */
async function readPageHeader(reader: ChunkReader): Promise<PageHeader> {
  for (let length = 1 << 12;; length *= 4) {
    const bytes = await reader.peek(length);
    const from = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length), offset: 0 };
    try {
      const header = parquetHeader(from);
      await reader.take(from.offset);
      const { compressed_page_size: size, uncompressed_page_size: whole } = header;
      if (!(size >= 0 && whole >= 0 && rowsOf(header) >= 0)) throw new DamagedFile("a page has a length below 0");
      return header;
    } catch (error) {
      if (error instanceof DamagedFile) throw error;
      if (bytes.length < length || length >= maxHeaderBytes) throw new DamagedFile((error as Error).message);
    }
  }
}

function rowsOf({ data_page_header: v1, data_page_header_v2: v2 }: PageHeader): number {
  return v1?.num_values ?? v2?.num_rows ?? 0;
}

/** What `work` gives; whatever goes wrong in it is the file's fault. */
async function sound<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof DamagedFile ? error : new DamagedFile((error as Error).message);
  }
}
