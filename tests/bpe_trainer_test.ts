import { assertEquals, assertRejects } from "@std/assert";
import { randomUniform } from "../engine/random.ts";
import { WeftError } from "../engine/weft_error.ts";
import { byteCharacters, bytesInOrder } from "../model/byte_alphabet.ts";
import { BpeTokenizer } from "../model/bpe_tokenizer.ts";
import { type WordPatternName, wordPatterns } from "../model/word_pattern.ts";
import { trainBpe } from "../train/bpe_trainer.ts";
import { countWords } from "../train/count_words.ts";
import { wholeWords } from "../train/whole_words.ts";
import { huggingFace, otherwiseInJavaScript } from "./_huggingface.ts";
import { randomText } from "./_random_text.ts";

/** The merges of a trainer that counts all pairs again for each of them. */
function naiveMerges(texts: readonly string[], pattern: WordPatternName, merges: number, least: number): string[][] {
  const encoder = new TextEncoder(), words: number[][] = [], tokens = bytesInOrder.map((byte) => byteCharacters[byte]);
  for (const bytes of texts.map((text) => encoder.encode(text))) {
    for (let at = 0, end = 0; at < bytes.length; at = end) {
      end = wordPatterns[pattern].wordEnd(bytes, at, bytes.length);
      words.push(Array.from(bytes.subarray(at, end), (byte) => bytesInOrder.indexOf(byte)));
    }
  }
  const found: string[][] = [], done = new Set<string>();
  while (found.length < merges) {
    const counts = new Map<string, number>();
    for (const word of words) {
      for (let i = 1; i < word.length; i++) {
        const pair = `${word[i - 1]} ${word[i]}`;
        counts.set(pair, (counts.get(pair) ?? 0) + 1);
      }
    }
    const best = [...counts].filter(([pair, count]) => count >= least && !done.has(pair))
      .map(([pair, count]) => [...pair.split(" ").map(Number), count])
      .sort((a, b) => b[2] - a[2] || a[0] - b[0] || a[1] - b[1])[0];
    if (best === undefined) break;
    const [left, right] = best, token = tokens[left] + tokens[right];
    done.add(`${left} ${right}`);
    found.push([tokens[left], tokens[right]]);
    const known = tokens.indexOf(token), id = known < 0 ? tokens.push(token) - 1 : known;
    for (const word of words) {
      for (let i = 1; i < word.length; i++) if (word[i - 1] === left && word[i] === right) word.splice(i - 1, 2, id);
    }
  }
  return found;
}

/** A text of few different letters, so that pairs overlap and occur equally often. */
function fewLetters(index: number, length: number, letters: string): string {
  return Array.from({ length }, (_, i) => letters[Math.floor(randomUniform(11, index, i) * letters.length)]).join("");
}

Deno.test("training finds the merges that a trainer finds which counts everything again each time", async () => {
  for (let i = 0; i < 60; i++) {
    const pattern = i % 2 === 0 ? "gpt2" : "cl100k", minFrequency = 1 + i % 3;
    const texts = i % 3 === 0
      ? [fewLetters(i, 300, "ab "), fewLetters(i + 1000, 200, "aab")]
      : i % 3 === 1
      ? [randomText(i, 80), randomText(i + 500, 80)]
      : [fewLetters(i, 400, "thea n\n'1")];
    const tokenizer = await trainBpe(texts, { vocabSize: 256 + 60, pattern, minFrequency, specialTokens: [] });
    const { merges } = tokenizer.toJSON().model,
      expected = naiveMerges(texts, pattern, merges.length + 1, minFrequency);
    assertEquals(merges.map((merge) => [...merge]), expected.slice(0, merges.length), `text ${i}`);
    assertEquals(tokenizer.vocabSize === 256 + 60 || merges.length === expected.length, true, `text ${i}`);
  }
});

Deno.test("the known merges of aaabdaaabac are learned", async () => {
  const tokenizer = await trainBpe(["aaabdaaabac"], { vocabSize: 259, minFrequency: 1, specialTokens: [] });
  assertEquals(tokenizer.toJSON().model.merges, [["a", "a"], ["a", "b"], ["aa", "ab"]]);
  assertEquals(tokenizer.encode("aaabdaaabac").length, 5);
  assertEquals(tokenizer.endOfText, undefined);
});

Deno.test("a trained tokenizer is the same when read again, and in Hugging Face's library", async () => {
  const texts = Array.from({ length: 300 }, (_, i) => randomText(i, 60));
  for (const pattern of ["gpt2", "cl100k"] as const) {
    const tokenizer = await trainBpe(texts, { vocabSize: 700, pattern, specialTokens: ["<|endoftext|>", "<|user|>"] });
    assertEquals([tokenizer.vocabSize, tokenizer.endOfText], [700, 698]);
    const again = BpeTokenizer.fromJSON(JSON.parse(JSON.stringify(tokenizer))), other = huggingFace(tokenizer.toJSON());
    assertEquals(JSON.stringify(again), JSON.stringify(tokenizer));
    for (let i = 0; i < 1000; i++) {
      const text = randomText(10_000 + i, 40, { halves: true, without: otherwiseInJavaScript }) + "<|user|>x";
      const ids = tokenizer.encode(text).join(" ");
      if (again.encode(text).join(" ") !== ids || other.encode(text).ids.join(" ") !== ids) {
        assertEquals(
          [again.encode(text).join(" "), other.encode(text).ids.join(" ")],
          [ids, ids],
          JSON.stringify(text),
        );
      }
    }
  }
});

Deno.test("threads and the pieces in which a text comes change nothing", async () => {
  const text = Array.from({ length: 1000 }, (_, i) => randomText(i, 400)).join("");
  async function* pieces(size: number) {
    for (let at = 0; at < text.length; at += size) yield await Promise.resolve(text.slice(at, at + size));
  }
  for (const pattern of ["gpt2", "cl100k"] as const) {
    const options = { vocabSize: 600, pattern, workers: 0 };
    const expected = JSON.stringify(await trainBpe([text], options));
    assertEquals(JSON.stringify(await trainBpe(wholeWords(pieces(1001), 3000), options)), expected);
  }
  // Four texts of more than a batch each: one for this thread, and three for others.
  const texts = Array.from({ length: 4 }, (_, i) => {
    return Array.from({ length: 250_000 }, (_, j) => ` w${(j * 7919 + i) * (i + 1) % (300 + i)}`).join("");
  });
  const counts = async (workers: number) => {
    const words = await countWords(texts, { pattern: "gpt2", workers }), decoder = new TextDecoder();
    return Array.from({ length: words.size }, (_, i) => `${decoder.decode(words.bytes(i))} ${words.count(i)}`).sort();
  };
  const alone = await counts(0);
  assertEquals([alone.length, texts.every((text) => text.length > 1 << 20)], [304, true]);
  for (const workers of [1, 2, 3]) assertEquals(await counts(workers), alone);
});

Deno.test("chunks are the text, and end where words end", async () => {
  async function* pieces(text: string, size: number) {
    for (let at = 0; at < text.length; at += size) yield await Promise.resolve(text.slice(at, at + size));
  }
  for (let i = 0; i < 300; i++) {
    const text = randomText(i, 300, { halves: i % 2 === 0 }),
      chunks = await Array.fromAsync(wholeWords(pieces(text, 1 + i % 13), 20));
    assertEquals(chunks.join(""), text);
    for (const pattern of ["gpt2", "cl100k"] as const) {
      const [whole, parts] = [await countWords([text], { pattern }), await countWords(chunks, { pattern })];
      assertEquals(parts.toArrays(), whole.toArrays(), JSON.stringify(text));
    }
    if (text.length > 600) assertEquals(chunks.length > 3, true);
  }
  const endless = "=".repeat(1 << 20);
  async function* forever() {
    for (;;) yield await Promise.resolve(endless);
  }
  await assertRejects(() => Array.fromAsync(wholeWords(forever())), WeftError, "no end of a word within");
});

Deno.test("words are counted", async () => {
  const words = await countWords(["to be or not to be", "to"], { pattern: "gpt2" }), decoder = new TextDecoder();
  const counts = Array.from({ length: words.size }, (_, i) => [decoder.decode(words.bytes(i)), words.count(i)]);
  assertEquals(counts, [["to", 2], [" be", 2], [" or", 1], [" not", 1], [" to", 1]]);
});

Deno.test("a special token is learned from no text, and stays one token", async () => {
  const texts = ["<|x|> <|x|> <|x|><|x|>".repeat(50)];
  const tokenizer = await trainBpe(texts, { vocabSize: 300, specialTokens: ["|>", "<|x|>"] });
  const { vocab, merges } = tokenizer.toJSON().model;
  assertEquals(merges.some(([left, right]) => left + right === "|>"), false);
  assertEquals([vocab["|>"], vocab["<|x|>"]], [tokenizer.vocabSize - 2, tokenizer.vocabSize - 1]);
  assertEquals([...tokenizer.encode("<|x|>")], [tokenizer.vocabSize - 1]);
});

Deno.test("what cannot be learned is said", async () => {
  const cases: [string[], Parameters<typeof trainBpe>[1], string][] = [
    [["a"], { vocabSize: 256 }, "vocab_size is 256: it must be a whole number from 257"],
    [["a"], { vocabSize: 300.5 }, "vocab_size is 300.5"],
    [[], { vocabSize: 300 }, "from an empty text"],
    [["", ""], { vocabSize: 300 }, "from an empty text"],
    [["a"], { vocabSize: 300, specialTokens: [""] }, 'The special token "" cannot be: it is empty'],
    [["a"], { vocabSize: 300, specialTokens: ["a"] }, "it would be the token of a byte"],
    [["a"], { vocabSize: 300, specialTokens: ["<a>", "<a>"] }, "it is there twice"],
    [["a"], { vocabSize: 300, specialTokens: ["\ud800x"] }, "it is no valid Unicode"],
  ];
  for (const [texts, options, message] of cases) {
    await assertRejects(() => trainBpe(texts, options), WeftError, message);
  }
  const small = await trainBpe(["a"], { vocabSize: 300 });
  assertEquals([small.vocabSize, small.endOfText], [257, 256]); // no pair in the text, so no merge
});
