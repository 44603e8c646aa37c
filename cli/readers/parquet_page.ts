import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from "node:zlib";
import type { parquetHeader } from "hyparquet/src/column.js";
import { decompressPage } from "hyparquet/src/datapage.js";
import { deltaBinaryUnpack } from "hyparquet/src/delta.js";
import { WeftError } from "../../engine/weft_error.ts";
import { DamagedFile } from "./damaged_file.ts";

/** The header of a page. */
export type PageHeader = ReturnType<typeof parquetHeader>;
/** How pages are compressed. */
export type Codec = Parameters<typeof decompressPage>[2];

/** What is the same for all pages of a column's part of a group of rows. */
export interface PageColumn {
  /** How its pages are compressed. */
  readonly codec: Codec;
  /** Whether values may be missing. */
  readonly optional: boolean;
}

/** The decompressors of Deno are quicker than such in JavaScript, and end where a page is longer than it says. */
const decompressors: NonNullable<Parameters<typeof decompressPage>[3]> = {
  GZIP: (input, length) => gunzipSync(input, { maxOutputLength: Math.max(length, 1) }),
  ZSTD: (input, length) => zstdDecompressSync(input, { maxOutputLength: Math.max(length, 1) }),
  BROTLI: (input, length) => brotliDecompressSync(input, { maxOutputLength: Math.max(length, 1) }),
};

/** Says so when pages cannot be decompressed. */
export function checkCodec(path: string, codec: Codec): void {
  if (codec === "UNCOMPRESSED" || codec === "SNAPPY" || codec in decompressors) return;
  throw new WeftError(`${path} is compressed with ${codec}: it must be SNAPPY, GZIP, ZSTD, BROTLI or not compressed`);
}

/**
 * The values of a page of byte strings (see the Parquet format, Encodings.md), undefined where one is missing. They are
 * views of one array. Values are decoded here and not by hyparquet, since a damaged length would make it fill memory.
 *
 * @throws {DamagedFile} where the page is not what its header says.
 */
export function decodePage(
  bytes: Uint8Array,
  header: PageHeader,
  { codec, optional }: PageColumn,
  dictionary: readonly Uint8Array[] | undefined,
): (Uint8Array | undefined)[] {
  const v1 = header.data_page_header, v2 = header.data_page_header_v2;
  const page = v1 ?? v2;
  if (page === undefined) throw new DamagedFile(`a page is of the kind ${header.type}`);
  let levels: Uint8Array, values: Uint8Array;
  if (v2) {
    const before = v2.repetition_levels_byte_length, length = v2.definition_levels_byte_length;
    levels = part(bytes, before, length);
    values = bytes.subarray(before + length);
    const size = header.uncompressed_page_size - before - length;
    if (size < 0) throw new DamagedFile("a page is shorter than its levels");
    if (v2.is_compressed !== false && size > 0) values = decompressPage(values, size, codec, decompressors);
  } else {
    const body = decompressPage(bytes, header.uncompressed_page_size, codec, decompressors);
    const length = optional ? uint32(body, 0) : 0;
    levels = optional ? part(body, 4, length) : body.subarray(0, 0);
    values = optional ? body.subarray(4 + length) : body;
  }
  const present = optional && (v1 || levels.length > 0) ? readHybrid(levels, 1, page.num_values) : undefined;
  const count = present ? present.reduce((sum, level) => sum + level, 0) : page.num_values;
  const strings = decodeValues(values, page.encoding, count, dictionary);
  if (present === undefined) return strings;
  let next = 0;
  return Array.from(present, (level) => level === 1 ? strings[next++] : undefined);
}

/** The values of a page that others refer to. */
export function decodeDictionary(bytes: Uint8Array, header: PageHeader, codec: Codec): Uint8Array[] {
  const values = decompressPage(bytes, header.uncompressed_page_size, codec, decompressors);
  return readPlain(values, header.dictionary_page_header?.num_values ?? 0);
}

function decodeValues(
  bytes: Uint8Array,
  encoding: string | undefined,
  count: number,
  dictionary: readonly Uint8Array[] | undefined,
): Uint8Array[] {
  if (encoding === "PLAIN") return readPlain(bytes, count);
  if (encoding === "PLAIN_DICTIONARY" || encoding === "RLE_DICTIONARY") {
    if (count === 0) return [];
    if (dictionary === undefined || bytes.length === 0) throw new DamagedFile("a page refers to no dictionary");
    return Array.from(readHybrid(bytes.subarray(1), bytes[0], count), (index) => {
      if (index >= dictionary.length) throw new DamagedFile("a page refers to what is not in the dictionary");
      return dictionary[index];
    });
  }
  const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length), offset: 0 };
  const lengths = () => {
    const list = new Int32Array(count);
    if (count > 0) deltaBinaryUnpack(reader, count, list);
    return list;
  };
  const take = (length: number) => {
    const value = part(bytes, reader.offset, length);
    reader.offset += length;
    return value;
  };
  if (encoding === "DELTA_LENGTH_BYTE_ARRAY") return Array.from(lengths(), take);
  if (encoding === "DELTA_BYTE_ARRAY") {
    const shared = lengths(), rest = lengths();
    let before = bytes.subarray(0, 0);
    return Array.from(rest, (length, i) => {
      const value = new Uint8Array(checked(shared[i], before.length) + checked(length, bytes.length));
      value.set(before.subarray(0, shared[i]));
      value.set(take(length), shared[i]);
      return before = value;
    });
  }
  if (encoding === undefined) throw new DamagedFile("a page has no known encoding");
  throw new WeftError(`Parquet with texts in the encoding ${encoding} cannot be read`);
}

/** Strings, each after its length. */
function readPlain(bytes: Uint8Array, count: number): Uint8Array[] {
  const strings: Uint8Array[] = [];
  for (let at = 0; strings.length < count;) {
    const value = part(bytes, at + 4, uint32(bytes, at));
    strings.push(value);
    at += 4 + value.length;
  }
  return strings;
}

/** `count` numbers of `width` bits, in runs of one number and in rows of eight packed ones. */
function readHybrid(bytes: Uint8Array, width: number, count: number): Uint32Array {
  if (width > 32) throw new DamagedFile(`numbers have ${width} bits`);
  const numbers = new Uint32Array(count);
  let at = 0, done = 0;
  const byte = (index: number) => {
    if (index >= bytes.length) throw new DamagedFile("a page ends in the middle of its numbers");
    return bytes[index];
  };
  while (done < count) {
    let head = 0, shift = 0, next: number;
    do {
      next = byte(at++);
      head |= (next & 0x7f) << shift;
      shift += 7;
    } while (next & 0x80);
    const length = head >>> 1;
    if (head & 1) {
      const end = Math.min(done + length * 8, count);
      for (let bit = at * 8; done < end; done++) {
        let value = 0;
        for (let got = 0; got < width;) {
          const taken = Math.min(8 - bit % 8, width - got);
          value |= (byte(bit >>> 3) >>> bit % 8 & (1 << taken) - 1) << got;
          got += taken;
          bit += taken;
        }
        numbers[done] = value;
      }
      at += length * width;
    } else {
      let value = 0;
      for (let i = 0; i < width; i += 8) value |= byte(at++) << i;
      numbers.fill(value, done, done += length); // a run may claim more than there are
    }
  }
  return numbers;
}

function uint32(bytes: Uint8Array, at: number): number {
  const [a, b, c, d] = part(bytes, at, 4);
  return (a | b << 8 | c << 16 | d << 24) >>> 0;
}

function part(bytes: Uint8Array, start: number, length: number): Uint8Array {
  checked(length, bytes.length - start);
  return bytes.subarray(start, start + length);
}

function checked(length: number, most: number): number {
  if (length < 0 || length > most) throw new DamagedFile("a page ends in the middle of a text");
  return length;
}
