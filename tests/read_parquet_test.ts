import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { brotliCompressSync, gzipSync, zstdCompressSync } from "node:zlib";
import { parquetWriteBuffer } from "hyparquet-writer";
import { WeftError } from "../mod.ts";
import { DamagedFile } from "../cli/readers/damaged_file.ts";
import { decodePage, type PageHeader } from "../cli/readers/parquet_page.ts";
import { readDocuments } from "../cli/readers/read_documents.ts";
import type { ReadOptions } from "../cli/readers/read_options.ts";
import { emptyReadReport } from "../cli/readers/read_report.ts";

type WriteOptions = Omit<Parameters<typeof parquetWriteBuffer>[0], "columnData">;

const texts = Array.from({ length: 1000 }, (_, i) => `text ${i} é ${"ab".repeat(i % 50)}`);

/** A Parquet file with a column of numbers before one of texts. */
function parquet(values: (string | null)[], options: WriteOptions = {}): Uint8Array {
  const columnData = [
    { name: "id", data: values.map((_, i) => i), type: "INT32" as const },
    { name: "text", data: values, type: "STRING" as const },
  ];
  return new Uint8Array(parquetWriteBuffer({ columnData, rowGroupSize: 300, pageSize: 2000, ...options }));
}

async function withFile<T>(content: Uint8Array, body: (path: string) => Promise<T>): Promise<T> {
  const path = await Deno.makeTempFile({ suffix: ".parquet" });
  try {
    await Deno.writeFile(path, content);
    return await body(path);
  } finally {
    await Deno.remove(path);
  }
}

const read = (content: Uint8Array, options: ReadOptions = {}) =>
  withFile(content, (path) => Array.fromAsync(readDocuments([path], options)));

const encode = (text: string) => new TextEncoder().encode(text);

/** A page as older writers have it, by hand: four values, one of them missing, that refer to a dictionary. */
function pageOfVersion1(): Parameters<typeof decodePage> {
  const bytes = new Uint8Array([
    ...[2, 0, 0, 0, 3, 0b1101], // levels: 2 bytes; one row of eight packed bits, of which four count
    ...[1, 1 << 1, 1, 2 << 1, 0], // numbers of one bit: once 1, twice 0
  ]);
  const header = {
    type: "DATA_PAGE",
    compressed_page_size: bytes.length,
    uncompressed_page_size: bytes.length,
    data_page_header: { num_values: 4, encoding: "RLE_DICTIONARY" },
  } as PageHeader;
  return [bytes, header, { codec: "UNCOMPRESSED", optional: true }, [encode("a"), encode("b")]];
}

Deno.test("Parquet in every compression gives its column of texts", async () => {
  const compressors = {
    GZIP: (bytes: Uint8Array) => new Uint8Array(gzipSync(bytes)),
    ZSTD: (bytes: Uint8Array) => new Uint8Array(zstdCompressSync(bytes)),
    BROTLI: (bytes: Uint8Array) => new Uint8Array(brotliCompressSync(bytes)),
  };
  for (const codec of ["UNCOMPRESSED", "SNAPPY", "GZIP", "ZSTD", "BROTLI"] as const) {
    const report = emptyReadReport();
    const documents = await read(parquet(texts, { codec, compressors }), { report });
    assertEquals(documents.map(({ text }) => text), texts, codec);
    assertEquals([report.documents, report.files, report.skipped], [1000, 1, {}]);
    assertEquals(/\.parquet:1000$/.test(documents[999].source), true);
  }
});

Deno.test("Parquet with a dictionary, with nulls, and with empty texts", async () => {
  const few = texts.map((_, i) => i % 11 === 0 ? null : i % 13 === 0 ? " " : `kind ${i % 3}`);
  const wanted = few.filter((text) => text !== null && text !== " ");
  const report = emptyReadReport();
  const documents = await read(parquet(few), { report });
  assertEquals(documents.map(({ text }) => text), wanted);
  assertEquals(Object.entries(report.skipped).map(([reason, { count }]) => [reason, count]), [
    ["no_text", few.filter((text) => text === null).length],
    ["empty_document", few.filter((text) => text === " ").length],
  ]);
  assertStringIncludes(report.skipped.no_text!.examples[0], ":1: text is null");
});

Deno.test("Parquet in every encoding of texts, in pages of both versions", async () => {
  for (const encoding of ["PLAIN", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"] as const) {
    const columnData = [{ name: "text", data: texts, type: "STRING" as const, encoding }];
    const bytes = new Uint8Array(parquetWriteBuffer({ columnData, rowGroupSize: 300 }));
    assertEquals((await read(bytes)).map(({ text }) => text), texts, encoding);
  }
  assertEquals(decodePage(...pageOfVersion1()), [encode("b"), undefined, encode("a"), encode("a")]);
});

Deno.test("Parquet is read on from any row", async () => {
  await withFile(parquet(texts), async (path) => {
    for (const first of [0, 1, 299, 300, 301, 555, 999]) {
      const documents = await Array.fromAsync(readDocuments([path], { from: { file: 0, document: first } }));
      assertEquals(documents.map(({ text }) => text), texts.slice(first));
      assertEquals(documents[0].position, { file: 0, document: first });
      assertEquals(documents[0].next, { file: 0, document: first + 1 });
    }
  });
});

Deno.test("texts of Parquet that are too large or not UTF-8 are counted", async () => {
  const bytes = parquet(["a", "\u00e9\u00e9", "large".repeat(100), "b"], { codec: "UNCOMPRESSED" });
  const at = bytes.findIndex((byte, i) => byte === 0xc3 && bytes[i + 1] === 0xa9);
  bytes[at] = 0xff;
  const report = emptyReadReport();
  const documents = await read(bytes, { report, maxDocumentBytes: 100 });
  assertEquals(documents.map(({ text }) => text), ["a", "b"]);
  assertEquals(Object.entries(report.skipped).map(([reason, { count }]) => [reason, count]), [
    ["invalid_utf8", 1],
    ["too_large", 1],
  ]);
  assertEquals((await read(bytes, { invalidUtf8: "replace" }))[1].text, "\ufffd\ufffd\u00e9");
});

Deno.test("Parquet without the column says which there are, and one of another kind which it is", async () => {
  await assertRejects(
    () => read(parquet(texts), { textField: "body" }),
    WeftError,
    "has no column body: its columns are id, text; name one with text_field",
  );
  await assertRejects(() => read(parquet(texts), { textField: "id" }), WeftError, "holds INT32 and not texts");
  const lists = parquetWriteBuffer({
    columnData: [{ name: "text", data: [["a", "b"], ["c"]] }],
    schema: [
      { name: "root", num_children: 1 },
      { name: "text", repetition_type: "OPTIONAL", num_children: 1, converted_type: "LIST" },
      { name: "list", repetition_type: "REPEATED", num_children: 1 },
      { name: "element", repetition_type: "OPTIONAL", type: "BYTE_ARRAY", converted_type: "UTF8" },
    ],
  });
  await assertRejects(() => read(new Uint8Array(lists)), WeftError, "holds lists or records and not texts");
});

Deno.test("Parquet without rows, cut off, or damaged at any place ends in a clear error and never hangs", async () => {
  await assertRejects(() => read(parquet([])), WeftError, "There is no document to read");
  const whole = parquet(texts);
  for (const bytes of [whole.subarray(0, whole.length - 1), whole.subarray(1000), whole.subarray(0, 10)]) {
    await assertRejects(() => read(bytes), WeftError, "is damaged or cut off after ");
  }
  for (const length of [[2, 0, 0, 0], [0xff, 0xff, 0xff, 0xff]]) {
    const bytes = new Uint8Array([...length, 0x61]);
    const header = {
      type: "DATA_PAGE",
      uncompressed_page_size: 5,
      data_page_header: { num_values: 1, encoding: "PLAIN" },
    } as PageHeader;
    const decode = () => decodePage(bytes, header, { codec: "UNCOMPRESSED", optional: false }, undefined);
    assertThrows(decode, DamagedFile, "ends in the middle of a text");
  }
  let errors = 0;
  for (let at = 4; at < whole.length - 4; at += 97) {
    const bytes = whole.map((byte, i) => i === at ? byte ^ 0x55 : byte);
    await read(bytes).catch((error) => {
      if (!(error instanceof WeftError)) throw error;
      errors++;
    });
  }
  assertEquals(errors > 20, true, `${errors}`);
});

Deno.test("a page that claims more than it holds is no reason to take that much memory", async () => {
  const bomb = zstdCompressSync(new Uint8Array(1 << 27)); // 128 MiB of zeros
  const bytes = parquet(texts, { codec: "ZSTD", compressors: { ZSTD: () => new Uint8Array(bomb) } });
  const before = Deno.memoryUsage().rss;
  await assertRejects(() => read(bytes), WeftError, "is damaged or cut off after 0 documents");
  assertEquals(Deno.memoryUsage().rss - before < 1 << 27, true);
});
