import { assertEquals } from "@std/assert";
import { type WordPatternName, wordPatterns } from "../model/word_pattern.ts";
import { randomText } from "./_random_text.ts";

const encoder = new TextEncoder(), decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** The words of a text by the scanner. */
function scan(name: WordPatternName, text: string): string[] {
  const bytes = encoder.encode(text), words: string[] = [];
  for (let at = 0, end = 0; at < bytes.length; at = end) {
    end = wordPatterns[name].wordEnd(bytes, at, bytes.length);
    words.push(decoder.decode(bytes.subarray(at, end)));
  }
  return words;
}

/** The words of a text by the regular expression, with `\s` as Unicode's whitespace. */
function match(name: WordPatternName, text: string): string[] {
  const source = wordPatterns[name].regex.replaceAll("\\s", "\\p{White_Space}").replaceAll("\\S", "\\P{White_Space}");
  return text.toWellFormed().match(new RegExp(source, "gu")) ?? [];
}

for (const name of ["gpt2", "cl100k"] as const) {
  Deno.test(`the scanner of ${name} cuts random texts as its regular expression does`, () => {
    for (let i = 0; i < 10_000; i++) {
      const text = randomText(i, 40, { halves: true }), words = scan(name, text);
      assertEquals(words.join(""), text.toWellFormed());
      if (words.join("|") !== match(name, text).join("|")) assertEquals(words, match(name, text), JSON.stringify(text));
    }
  });
}

Deno.test("a scanner knows the class of every code point", () => {
  const text = Array.from({ length: 0x110000 }, (_, code) => `${String.fromCodePoint(code)}a!1 `).join("");
  const words = scan("gpt2", text), expected = match("gpt2", text);
  const at = words.findIndex((word, i) => word !== expected[i]);
  assertEquals(at, -1, JSON.stringify([words[at], expected[at]]));
  assertEquals(words.length, expected.length);
});

Deno.test("words are cut where GPT-2 and GPT-4 cut them", () => {
  const text = "Hello's  world\n\n  12345 I'LL (go)!\n ";
  const words = {
    gpt2: ["Hello", "'s", " ", " world", "\n\n ", " 12345", " I", "'", "LL", " (", "go", ")!", "\n "],
    cl100k: ["Hello", "'s", " ", " world", "\n\n", " ", " ", "123", "45", " I", "'LL", " (", "go", ")!\n", " "],
  };
  assertEquals(scan("gpt2", text), words.gpt2);
  assertEquals(scan("cl100k", text), words.cl100k);
  // Unicode's whitespace, and not JavaScript's: U+0085 is a space, U+FEFF none.
  assertEquals(scan("gpt2", "a\x85!"), ["a", "\x85", "!"]);
  assertEquals(scan("gpt2", "a\ufeff!"), ["a", "\ufeff!"]);
});

Deno.test("bytes that are no UTF-8 are words, too, and none is lost", () => {
  const bad = [[0xed, 0xa0, 0x80], [0xc0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xf8, 0x90, 0x80, 0x80], [0xc1, 0xa1], [
    0xe2,
  ]];
  const bytes = Uint8Array.of(0x61, 0xff, 0xe2, 0x82, 0x20, ...bad.flat());
  for (const name of ["gpt2", "cl100k"] as const) {
    const ends: number[] = [];
    for (let at = 0; at < bytes.length; at = ends.at(-1)!) {
      ends.push(wordPatterns[name].wordEnd(bytes, at, bytes.length));
    }
    assertEquals(ends, [1, 4, bytes.length]);
  }
});
