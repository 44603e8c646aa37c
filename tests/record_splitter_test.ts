import { assertEquals } from "@std/assert";
import {
  blankLine,
  type ByteRecord,
  exactly,
  type FindSeparator,
  noSeparator,
  RecordSplitter,
} from "../cli/readers/record_splitter.ts";

const encoder = new TextEncoder(), decoder = new TextDecoder();

/** The records of a text that comes in pieces of that many bytes, as text or as a length where they are too large. */
function split(text: string, find: FindSeparator, piece: number, maxBytes = 1000): (string | number)[] {
  const bytes = encoder.encode(text), splitter = new RecordSplitter(find, maxBytes), records: (string | number)[] = [];
  const chunk = new Uint8Array(piece);
  let expected = 0;
  const take = ({ bytes: record, length, start, end }: ByteRecord) => {
    assertEquals(start, expected);
    expected = end;
    if (record) assertEquals(bytes.subarray(start, start + length), record);
    records.push(record ? decoder.decode(record) : length);
  };
  for (let at = 0; at < bytes.length; at += piece) {
    chunk.set(bytes.subarray(at, at + piece)); // one buffer for all, as files are read
    for (const record of splitter.push(chunk.subarray(0, Math.min(piece, bytes.length - at)))) take(record);
  }
  for (const record of splitter.end()) take(record);
  assertEquals(expected, bytes.length);
  return records;
}

const pieces = [1, 2, 3, 5, 7, 16, 1000];

Deno.test("lines are cut wherever chunks end", () => {
  for (const piece of pieces) {
    assertEquals(split("one\ntwo\n\nthree è\r\nlast", exactly("\n"), piece), ["one", "two", "", "three è\r", "last"]);
    assertEquals(split("one\n", exactly("\n"), piece), ["one"]);
    assertEquals(split("", exactly("\n"), piece), []);
    assertEquals(split("a\nb", noSeparator, piece), ["a\nb"]);
  }
});

Deno.test("separators of several bytes are found across chunks and behind false starts", () => {
  for (const piece of pieces) {
    const found = split(
      "a<|end<|endoftext|>b<<|endoftext|><|endoftext|>c<|endoftext|",
      exactly("<|endoftext|>"),
      piece,
    );
    assertEquals(found, ["a<|end", "b<", "", "c<|endoftext|"]);
  }
});

Deno.test("lines of white space alone are blank", () => {
  for (const piece of pieces) {
    assertEquals(split("a\nb\n\nc\r\n \t\r\nd\n", blankLine, piece), ["a\nb", "c\r", "d\n"]);
    assertEquals(split("a\n\n\n\nb", blankLine, piece), ["a", "", "b"]);
  }
});

Deno.test("of a record that is too large only the length is given, and those after it are whole", () => {
  const large = "x".repeat(300_000);
  for (const piece of [7, 1000, 65_536, 400_000]) {
    assertEquals(split(`ab\n${large}\ncd\n${large}`, exactly("\n"), piece, 10), ["ab", 300_000, "cd", 300_000]);
    assertEquals(split(`${large}ENDcd`, exactly("END"), piece, 300_000), [large, "cd"]);
    assertEquals(split(`${large}ENDcd`, exactly("END"), piece, 299_999), [300_000, "cd"]);
    assertEquals(split(`${large}\n \ncd`, blankLine, piece, 10), [300_000, "cd"]);
  }
});
