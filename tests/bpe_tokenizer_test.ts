import { assertEquals, assertThrows } from "@std/assert";
import { decode as gpt4Decode, encode as gpt4Encode } from "gpt-tokenizer/encoding/cl100k_base";
import { encode as gpt2Encode } from "gpt-tokenizer/encoding/r50k_base";
import { randomUniform } from "../engine/random.ts";
import { WeftError } from "../engine/weft_error.ts";
import { BpeMerges } from "../model/bpe_merges.ts";
import { BpeTokenizer } from "../model/bpe_tokenizer.ts";
import { byteCharacters, bytesInOrder, bytesToToken, tokenToBytes } from "../model/byte_alphabet.ts";
import { StreamingDecoder } from "../model/streaming_decoder.ts";
import { cl100kTokenizer, gpt2Tokenizer } from "./_gpt_ranks.ts";
import { huggingFace, otherwiseInJavaScript } from "./_huggingface.ts";
import { randomText } from "./_random_text.ts";

const gpt2 = gpt2Tokenizer(), cl100k = cl100kTokenizer();
const singleBytes = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte));
const bytesOf = (text: string) => new TextEncoder().encode(text);

/** Two lists of ids as texts: assertEquals would take its time over each. */
function assertSameIds(actual: ArrayLike<number>, expected: ArrayLike<number>, text: string): void {
  const [a, b] = [Array.from(actual).join(" "), Array.from(expected).join(" ")];
  if (a !== b) assertEquals(a, b, JSON.stringify(text.slice(0, 200)));
}

Deno.test("the alphabet is GPT-2's", () => {
  assertEquals(bytesToToken(bytesOf(" \n\0~\x7f¡é")), "ĠĊĀ~ġÂ¡Ã©");
  assertEquals(new Set(byteCharacters).size, 256);
  assertEquals([bytesInOrder[0], bytesInOrder[93], bytesInOrder[94], bytesInOrder[188]], [0x21, 0x7e, 0xa1, 0]);
  for (let byte = 0; byte < 256; byte++) assertEquals(tokenToBytes(byteCharacters[byte]), Uint8Array.of(byte));
  assertEquals([tokenToBytes(" "), tokenToBytes("漢"), tokenToBytes("\u0144")], [undefined, undefined, undefined]);
});

Deno.test("the known merges of aaabdaaabac give its known ids", () => {
  const ranks = [...singleBytes, ...["aa", "aaa", "aaab"].map(bytesOf)];
  const tokenizer = BpeTokenizer.fromRanks(ranks, { pattern: "gpt2" });
  assertEquals([...tokenizer.encode("aaabdaaabac")], [258, 100, 258, 97, 99]);
  assertEquals(tokenizer.decode([258, 100, 258, 97, 99]), "aaabdaaabac");
  assertEquals(tokenizer.toJSON().model.merges, [["a", "a"], ["aa", "a"], ["aaa", "b"]]);
});

Deno.test("GPT-2 and GPT-4 write known texts with their known ids", () => {
  assertEquals([...gpt2.encode("Hello world")], [15496, 995]);
  assertEquals([...cl100k.encode("Hello world")], [9906, 1917]);
  const text = "<|endoftext|>hello world123!!!? (안녕하세요!) 😉";
  assertEquals([...cl100k.encode(text, { specialTokens: "text" })].slice(0, 6), [27, 91, 8862, 728, 428, 91]);
  assertEquals([...cl100k.encode(text)].slice(0, 4), [100257, 15339, 1917, 4513]);
  assertEquals([gpt2.vocabSize, gpt2.endOfText], [50257, 50256]);
  assertEquals([cl100k.vocabSize, cl100k.endOfText], [100277, 100257]);
});

Deno.test("random texts get the ids that gpt-tokenizer gives them, with GPT-2's and with GPT-4's vocabulary", () => {
  for (let i = 0; i < 5000; i++) {
    // It writes GPT-4's pattern in a form that differs at the end of a text, for ſ, and for two kinds of whitespace.
    const text = randomText(i, 60, { without: otherwiseInJavaScript }) + ".";
    assertSameIds(gpt2.encode(text), gpt2Encode(text), text);
    assertSameIds(cl100k.encode(text), gpt4Encode(text), text);
  }
  assertEquals(gpt4Decode([...cl100k.encode("naïve 🙂")]), "naïve 🙂");
});

for (const [name, tokenizer] of Object.entries({ gpt2, cl100k })) {
  Deno.test(`random texts get the ids that Hugging Face's library gives them with the file of ${name}`, () => {
    const other = huggingFace(tokenizer.toJSON());
    for (let i = 0; i < (name === "gpt2" ? 10_000 : 2000); i++) {
      const text = randomText(i, 30, { halves: true, without: otherwiseInJavaScript });
      assertSameIds(tokenizer.encode(text), other.encode(text).ids, text);
    }
    const marked = "<|endoftext|>one<|endoftext|><|endoftext|> two <|endof";
    assertSameIds(tokenizer.encode(marked), other.encode(marked).ids, marked);
    const long = randomText(1, 400_000, { without: /[^a-z]/g }).slice(0, 100_000);
    assertSameIds(tokenizer.encode(long), other.encode(long).ids, "long");
  });

  Deno.test(`encode and decode of ${name} are the identity on every text, and on all bytes`, () => {
    for (let i = 0; i < 3000; i++) {
      const text = randomText(i, 60, { halves: true });
      const ids = tokenizer.encode(text), again = tokenizer.decode(ids);
      if (again !== text.toWellFormed()) assertEquals(again, text.toWellFormed());
      assertSameIds(tokenizer.encode(text, { specialTokens: "text" }), tokenizer.encodeBytes(bytesOf(text)), text);
    }
    for (let i = 0; i < 300; i++) {
      const bytes = Uint8Array.from({ length: i }, (_, at) => Math.floor(randomUniform(5, i, at) * 256));
      assertEquals(tokenizer.decodeBytes(tokenizer.encodeBytes(bytes)), bytes);
    }
  });
}

Deno.test("a megabyte without a space is encoded in seconds, and comes back", () => {
  for (const text of ["a".repeat(1 << 20), "abcdefghij".repeat(1 << 17), "漢字".repeat(1 << 17), "=".repeat(1 << 20)]) {
    const start = performance.now(), ids = gpt2.encode(text);
    assertEquals(performance.now() - start < 8000, true, `${performance.now() - start} ms`);
    assertEquals(gpt2.decode(ids) === text, true);
  }
});

Deno.test("a heap and a scan merge alike", () => {
  let draws = 0;
  const draw = (below: number) => Math.floor(randomUniform(3, 0, draws++) * below);
  for (let round = 0; round < 200; round++) {
    const merges = new BpeMerges(), list: [number, number, number][] = [];
    for (let i = 0; i < 20; i++) list.push([draw(3 + i), draw(3 + i), 3 + i]);
    for (const merge of list) merges.add(...merge);
    const word = Int32Array.from({ length: 90 + draw(200) }, () => draw(3)), naive = [...word];
    const left = merges.apply(word, word.length);
    for (;;) { // the leftmost pair of lowest rank; of two merges of a pair the later one counts
      let best = Infinity, at = 0;
      for (let i = 0; i + 1 < naive.length; i++) {
        const rank = list.findLastIndex(([a, b]) => a === naive[i] && b === naive[i + 1]);
        if (rank >= 0 && rank < best) [best, at] = [rank, i];
      }
      if (best === Infinity) break;
      naive.splice(at, 2, list[best][2]);
    }
    assertEquals([...word.subarray(0, left)], naive);
  }
});

Deno.test("words that the cache gave up come out as at first", () => {
  const words = Array.from({ length: 120_000 }, (_, i) => ` w${i * 7919 % 1_000_003}`), text = words.join("");
  const ids = gpt2.encode(text);
  assertSameIds(ids, gpt2Encode(text), text);
  assertSameIds(words.flatMap((word) => [...gpt2.encode(word)]), ids, text);
});

Deno.test("a streaming decoder gives whole characters, and all of the text", () => {
  const text = "naïve 🙂👩‍👩‍👧‍👦 漢字 \ufeff", decoder = new StreamingDecoder(gpt2);
  const pieces = Array.from(gpt2.encode(text), (id) => decoder.push(id));
  assertEquals(pieces.join("") + decoder.end(), text);
  assertEquals(pieces.some((piece) => piece.includes("\ufffd")), false);
  assertEquals(pieces.includes(""), true); // a character that took more than one token
  const half = gpt2.encode("🙂").subarray(0, 1);
  assertEquals(decoder.push(half[0]) + decoder.end(), "\ufffd");
  assertEquals(decoder.push(gpt2.encode("a")[0]), "a");
});

Deno.test("special tokens are the longest that begin first, or text by option", () => {
  const tokenizer = BpeTokenizer.fromRanks(singleBytes, {
    pattern: "gpt2",
    specialTokens: { "<a>": 256, "<a><b>": 257, "漢": 300 },
  });
  assertEquals([...tokenizer.encode("x<a><b><a>漢")], [120, 257, 256, 300]);
  assertEquals(tokenizer.decode([257, 300]), "<a><b>漢");
  assertEquals([...tokenizer.encode("<a>", { specialTokens: "text" })], [60, 97, 62]);
  assertEquals([tokenizer.vocabSize, tokenizer.endOfText], [301, undefined]);
  for (const id of [258, 301, -1, 0.5, NaN]) {
    assertThrows(() => tokenizer.decode([0, id]), WeftError, `Cannot decode the id ${id} at place 1`);
  }
});
