import { assertEquals, assertThrows } from "@std/assert";
import { CharTokenizer, WeftError } from "../mod.ts";

Deno.test("characters are numbered in order of code points, surrogate pairs as one", () => {
  const tokenizer = CharTokenizer.fromText("b🙂a\né🙂");
  assertEquals(tokenizer.characters, ["\n", "a", "b", "é", "🙂"]);
  assertEquals([...tokenizer.encode("🙂ab\n")], [4, 1, 2, 0]);
  assertEquals(tokenizer.decode(tokenizer.encode("é🙂b")), "é🙂b");
});

Deno.test("an unknown character is named with its place", () => {
  const tokenizer = CharTokenizer.fromText("abc\n🙂");
  assertThrows(
    () => tokenizer.encode("ab\n🙂cé"),
    WeftError,
    'Unknown character "é" (U+00E9) at line 2, column 3: the model knows 5',
  );
  assertThrows(() => tokenizer.encode("😀"), WeftError, "(U+1F600) at line 1, column 1");
});

Deno.test("an id that is no token's is an error", () => {
  const tokenizer = CharTokenizer.fromText("ab");
  for (const id of [2, -1, 0.5]) {
    assertThrows(() => tokenizer.decode([0, id]), WeftError, `Cannot decode the id ${id} at place 1`);
  }
});

Deno.test("a tokenizer goes through JSON", () => {
  const tokenizer = CharTokenizer.fromText("hello\n🙂");
  const again = CharTokenizer.fromJSON(JSON.parse(JSON.stringify(tokenizer)));
  assertEquals(again.characters, tokenizer.characters);
  const before = { type: "character", characters: "\nehlo🙂" }; // as files of earlier versions have it
  assertEquals(CharTokenizer.fromJSON(before).characters, tokenizer.characters);
  for (
    const bad of [null, {}, { type: "bpe", characters: "a" }, { type: "character", characters: "" }, {
      type: "character",
      characters: "aa",
    }]
  ) {
    assertThrows(() => CharTokenizer.fromJSON(bad), WeftError, "The tokenizer is damaged");
  }
});

Deno.test("a text with half a surrogate pair makes no tokenizer", () => {
  assertThrows(() => CharTokenizer.fromText("\ud83d-\ude42"), WeftError, "half a surrogate pair");
});

Deno.test("an empty text makes no tokenizer", () => {
  assertThrows(() => CharTokenizer.fromText(""), WeftError, "empty text");
});
