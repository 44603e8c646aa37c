import { parquetMetadataAsync, parquetSchema } from "hyparquet";
import { parquetHeader } from "hyparquet/src/column.js";
import { WeftError } from "../../engine/weft_error.ts";
import { ChunkReader } from "./chunk_reader.ts";
import { DamagedFile } from "./damaged_file.ts";
import { decodeText } from "./decode_text.ts";
import { checkCodec, decodeDictionary, decodePage, type PageColumn, type PageHeader } from "./parquet_page.ts";
import { readChunks } from "./read_chunks.ts";
import type { FileOptions, PlacedDocument } from "./read_options.ts";
import { countSkipped } from "./read_report.ts";

type Metadata = Awaited<ReturnType<typeof parquetMetadataAsync>>;

/** Pages of more bytes or rows are left out: writers end a page at a megabyte, or with the document that is larger. */
const maxPageBytes = 1 << 28, maxPageRows = 1 << 24;
/** The description of a file at its end, and that of a page before it, may not be larger. */
const maxFooterBytes = 1 << 26, maxHeaderBytes = 1 << 26;

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
  const optional = checkColumn(metadata, options);
  let row = 0;
  for (const group of metadata.row_groups) {
    const rows = Number(group.num_rows);
    if (!(rows >= 0)) throw new DamagedFile("a group of rows has no number of rows");
    const column = group.columns.find(({ meta_data: meta }) => meta?.path_in_schema.join(".") === options.textField);
    if (column?.meta_data === undefined) throw new DamagedFile(`a group of rows lacks the column`);
    if (row + rows > options.firstDocument) {
      const { codec, dictionary_page_offset, data_page_offset, total_compressed_size: size } = column.meta_data;
      checkCodec(options.path, codec);
      const start = Number(dictionary_page_offset || data_page_offset);
      yield* readColumnChunk({ start, end: start + Number(size) }, { row, rows }, { codec, optional }, options);
    }
    for (const { meta_data: meta } of group.columns) options.report.bytes += Number(meta?.total_compressed_size ?? 0);
    row += rows;
  }
}

/** The documents of a column's part of a group of rows, which lies in that range of the file. */
async function* readColumnChunk(
  range: { readonly start: number; readonly end: number },
  group: { readonly row: number; readonly rows: number },
  column: PageColumn,
  options: FileOptions,
): AsyncGenerator<PlacedDocument> {
  const { path, file, report, firstDocument } = options;
  const reader = new ChunkReader(readChunks(path, range));
  try {
    let row = group.row, dictionary: Uint8Array[] | undefined;
    while ((await reader.peek(1)).length > 0) {
      const header = await readPageHeader(reader);
      const rows = rowsOf(header), compressed = header.compressed_page_size;
      if (Math.max(header.uncompressed_page_size, compressed) > maxPageBytes || rows > maxPageRows) {
        if (header.type === "DICTIONARY_PAGE") throw new DamagedFile("a dictionary is too large");
        countSkipped(report, "too_large", `${path}:${row + 1}: a page of ${header.uncompressed_page_size} bytes`, rows);
        await reader.skip(compressed);
      } else if (row + rows <= firstDocument && header.type !== "DICTIONARY_PAGE") {
        await reader.skip(compressed);
      } else {
        const bytes = (await reader.take(compressed)).slice(); // a copy, since texts stay views of it
        if (header.type === "DICTIONARY_PAGE") {
          dictionary = await sound(() => decodeDictionary(bytes, header, column.codec));
        } else {
          const values = await sound(() => decodePage(bytes, header, column, dictionary));
          for (const [i, value] of values.entries()) {
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
    if (row !== group.row + group.rows) throw new DamagedFile("a group of rows has another number of values than rows");
  } finally {
    await reader.close();
  }
}

/** The text of a value, or undefined after it was counted why there is none. */
function takeText(value: Uint8Array | undefined, source: string, options: FileOptions): string | undefined {
  const { report, maxDocumentBytes, invalidUtf8, textField } = options;
  if (value === undefined) countSkipped(report, "no_text", `${source}: ${textField} is null`);
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

/** Whether values of the column may be missing. There must be such a column, and it must hold texts. */
function checkColumn(metadata: Metadata, { path, textField }: FileOptions): boolean {
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
  return element.repetition_type !== "REQUIRED";
}

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
    throw error instanceof DamagedFile || error instanceof WeftError
      ? error
      : new DamagedFile((error as Error).message);
  }
}
