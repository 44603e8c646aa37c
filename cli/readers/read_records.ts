import { checkFields, fruitlessLines } from "./check_fields.ts";
import { decodeText, withoutMark } from "./decode_text.ts";
import type { FileOptions, PlacedDocument } from "./read_options.ts";
import { countSkipped, type SkipReason } from "./read_report.ts";
import { blankLine, type ByteRecord, exactly, noSeparator, RecordSplitter } from "./record_splitter.ts";

/** Where in a stream of bytes reading begins. */
export interface RecordStart {
  /** The first byte that the stream gives is this one of the file; undefined where positions hold no bytes. */
  readonly byte?: number;
  /** The number of the record there. */
  readonly record: number;
}

/** What a record turned out to be: a text, or why it is none and what was found instead. */
type Parsed = string | { readonly reason: SkipReason; readonly detail: string };

/** The documents of plain text: the whole, or what is between separators. */
export function readText(
  chunks: AsyncIterable<Uint8Array>,
  start: RecordStart,
  options: FileOptions,
): AsyncGenerator<PlacedDocument> {
  const { documentSeparator: separator, invalidUtf8, maxDocumentBytes } = options;
  const find = separator === undefined ? noSeparator : separator === "\n\n" ? blankLine : exactly(separator);
  const splitter = new RecordSplitter(find, maxDocumentBytes, start.byte);
  const parse = (bytes: Uint8Array): Parsed => {
    const text = decodeText(separator === undefined ? bytes : trimLineEnds(bytes), invalidUtf8);
    return text ?? { reason: "invalid_utf8", detail: describeBytes(bytes) };
  };
  return readRecords(chunks, splitter, parse, start, options, separator === undefined);
}

/** The documents of lines of JSON objects. */
export function readJsonl(
  chunks: AsyncIterable<Uint8Array>,
  start: RecordStart,
  options: FileOptions,
): AsyncGenerator<PlacedDocument> {
  const { textField, invalidUtf8, maxDocumentBytes } = options;
  const splitter = new RecordSplitter(exactly("\n"), maxDocumentBytes, start.byte);
  const parse = (bytes: Uint8Array): Parsed => {
    const line = decodeText(bytes, invalidUtf8);
    if (line === undefined) return { reason: "invalid_utf8", detail: describeBytes(bytes) };
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      return { reason: "invalid_json", detail: describeBytes(bytes) };
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      return { reason: "invalid_json", detail: describeBytes(bytes) };
    }
    const text = Object.hasOwn(value, textField) ? (value as Record<string, unknown>)[textField] : undefined;
    if (typeof text !== "string") return { reason: "no_text", detail: describeFields(value, textField) };
    if (text.isWellFormed()) return text;
    return invalidUtf8 === "replace"
      ? text.toWellFormed()
      : { reason: "invalid_utf8", detail: "half a surrogate pair" };
  };
  return readRecords(chunks, splitter, parse, start, options, false);
}

async function* readRecords(
  chunks: AsyncIterable<Uint8Array>,
  splitter: RecordSplitter,
  parse: (bytes: Uint8Array) => Parsed,
  start: RecordStart,
  options: FileOptions,
  isWhole: boolean,
): AsyncGenerator<PlacedDocument> {
  const { path, file, report, firstDocument } = options;
  let record = start.record;
  const place = (number: number, byte: number) => ({
    file,
    document: number,
    ...start.byte === undefined ? {} : { byte },
  });
  const leaveOut = (reason: SkipReason, example: string) => {
    countSkipped(report, reason, example);
    if (report.documents === 0 && report.skipped[reason]?.count === fruitlessLines) {
      checkFields(path, options.textField, report);
    }
    return undefined;
  };
  const take = ({ bytes, length, start: begin, end }: ByteRecord): PlacedDocument | undefined => {
    const number = record++;
    if (number < firstDocument) return;
    const source = isWhole ? path : `${path}:${number + 1}`;
    if (bytes === undefined) return leaveOut("too_large", `${source}: ${length} bytes`);
    const content = number === 0 ? withoutMark(bytes) : bytes;
    if (isBlank(content)) return; // nothing stands between two separators
    const text = parse(content);
    if (typeof text !== "string") return leaveOut(text.reason, `${source}: ${text.detail}`);
    if (!/\S/.test(text)) return leaveOut("empty_document", source);
    report.documents++;
    return { text, source, position: place(number, begin), next: place(number + 1, end) };
  };
  for await (const chunk of chunks) {
    for (const bytes of splitter.push(chunk)) {
      const document = take(bytes);
      if (document !== undefined) yield document;
    }
  }
  for (const bytes of splitter.end()) {
    const document = take(bytes);
    if (document !== undefined) yield document;
  }
}

/** Whether there is nothing but ASCII white space. */
function isBlank(bytes: Uint8Array): boolean {
  return !bytes.some((byte) => byte !== 32 && (byte < 9 || byte > 13));
}

function trimLineEnds(bytes: Uint8Array): Uint8Array {
  let start = 0, end = bytes.length;
  while (start < end && (bytes[start] === 10 || bytes[start] === 13)) start++;
  while (end > start && (bytes[end - 1] === 10 || bytes[end - 1] === 13)) end--;
  return bytes.subarray(start, end);
}

/** The first bytes, for a message. */
function describeBytes(bytes: Uint8Array): string {
  return JSON.stringify(new TextDecoder().decode(bytes.subarray(0, 40)) + (bytes.length > 40 ? "…" : ""));
}

function describeFields(value: object, textField: string): string {
  if (Object.hasOwn(value, textField)) return `${textField} is not a text`;
  const fields = Object.keys(value);
  return fields.length === 0 ? "no field" : `its fields are ${fields.slice(0, 12).join(", ")}`.slice(0, 200);
}
