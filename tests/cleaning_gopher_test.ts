import { assertEquals } from "@std/assert";
import { gopherQuality } from "../train/cleaning/gopher_quality.ts";
import { gopherRepetition } from "../train/cleaning/gopher_repetition.ts";
import { runStage } from "../train/cleaning/stage.ts";
import { Draws, drawText, drawWord } from "./_generated_corpus.ts";

const prose = drawText(new Draws(3), 300);

const quality = (text: string, options: Parameters<typeof runStage<typeof gopherQuality.options>>[2] = {}) => {
  const result = runStage(gopherQuality, text, options);
  return "dropped" in result ? result.dropped : "kept";
};

Deno.test("gopher_quality keeps prose", () => assertEquals(quality(prose), "kept"));

Deno.test("gopher_quality: each rule drops just beyond its bound, and not at it", () => {
  const words = (count: number, word: string, number = 0) =>
    Array(count).fill(word).join(" ") + " 1234".repeat(number) + " with that";
  const lines = (marked: number, line: string, other: string) =>
    Array.from({ length: 100 }, (_, i) => i < marked ? line : other).join("\n");
  const longer = // so long that ellipses are few per word
    "the word of a day of days and of many more words here and there";
  const cases: [string, string, string][] = [ // kept, dropped, why
    [words(48, "word"), words(47, "word"), "fewer than 50 words"],
    [words(99_998, "word"), words(99_999, "word"), "more than 100000 words"],
    [words(97, "abc"), words(97, "ab"), "words are too short on average"],
    [words(97, "abcdefghij"), words(98, "abcdefghijk"), "words are too long on average"],
    [words(97, "word") + "#".repeat(9), words(97, "word") + "#".repeat(10), "too many # signs"],
    ["…...…" + words(97, "word"), "…".repeat(10) + words(97, "word"), "too many ellipses"],
    [
      lines(90, "- the words that follow", "another thing"),
      lines(91, " • the words that follow", "another thing"),
      "too many lines with a bullet",
    ],
    [
      lines(30, "the word of more words...", longer),
      lines(31, "the word of more words… ", longer),
      "too many lines that end with an ellipsis",
    ],
    [words(78, "word", 20), words(77, "word", 21), "too few words with a letter"],
    [words(60, "word"), words(60, "word").replace("that", "this"), "fewer than 2 of the stop words"],
  ];
  for (const [kept, dropped, why] of cases) {
    assertEquals(quality(kept), "kept", why);
    assertEquals(quality(dropped), why);
  }
});

Deno.test("gopher_quality finds stop words without regard to case and punctuation, and takes others", () => {
  const text = "lorem ".repeat(60);
  assertEquals(quality(text + "The, OF."), "kept");
  assertEquals(quality(text + "the the the"), "fewer than 2 of the stop words");
  assertEquals(quality(text + "der und", { stop_words: ["der", "die", "und"] }), "kept");
  assertEquals(quality(text, { min_stop_words: 0 }), "kept");
});

const repetition = (text: string, options: Parameters<typeof runStage<typeof gopherRepetition.options>>[2] = {}) => {
  const result = runStage(gopherRepetition, text, options);
  return "dropped" in result ? result.dropped : "kept";
};

/** Words that never come again. */
const fresh = (count: number, from = 0) => Array.from({ length: count }, (_, i) => `w${1000 + from + i}`).join(" ");

Deno.test("gopher_repetition keeps prose, and an empty text", () => {
  for (let seed = 0; seed < 20; seed++) assertEquals(repetition(drawText(new Draws(seed), 1000)), "kept");
  assertEquals([repetition(""), repetition("one"), repetition("two words")], ["kept", "kept", "kept"]);
});

Deno.test("gopher_repetition drops repeated paragraphs and lines", () => {
  const parts = (repeated: number, separator: string, length: number) =>
    Array.from({ length: 20 }, (_, i) => i < repeated ? "same" : fresh(length, i * length)).join(separator);
  // the first of the repeated ones is no duplicate
  assertEquals(repetition(parts(7, "\n\n", 10)), "kept");
  assertEquals(repetition(parts(8, "\n\n", 10)), "duplicate paragraphs");
  assertEquals(repetition(parts(7, "\n", 10)), "kept");
  assertEquals(repetition(parts(8, "\n", 10)), "duplicate lines");
  const long = [fresh(10), fresh(10), ...Array.from({ length: 4 }, (_, i) => fresh(7, 10 + 10 * i))];
  assertEquals(repetition(long.join("\n\n"), { max_duplicate_10_grams: 1 }), "characters in duplicate paragraphs");
  const off = { max_duplicate_paragraph_characters: 1, max_duplicate_paragraphs: 1 };
  assertEquals(repetition(long.join("\n\n"), off), "characters in duplicate lines");
});

Deno.test("gopher_repetition: each top n-gram drops beyond its share, and not before", () => {
  for (const [n, share] of [[2, 0.2], [3, 0.18], [4, 0.16]]) {
    const gram = Array.from({ length: n }, (_, i) => `same${i}`);
    // words of five characters, 1000 in all, with the n-gram so often that it has that share
    const text = (share: number) => {
      const times = Math.floor(share * 1000 / n), others = fresh(1000 - times * n).split(" ");
      return others.map((word, i) => i < times ? `${word} ${gram.join(" ")}` : word).join(" ");
    };
    const off = { max_top_2_gram: 1, max_top_3_gram: 1, max_top_4_gram: 1 };
    const only = { ...off, [`max_top_${n}_gram`]: share };
    assertEquals(repetition(text(share - 0.01), only), "kept");
    assertEquals(repetition(text(share + 0.01), only), `the most frequent ${n}-gram`);
  }
});

Deno.test("gopher_repetition: duplicate n-grams drop beyond their share, and each character counts once", () => {
  const shares = [0.15, 0.14, 0.13, 0.12, 0.11, 0.1];
  for (const [i, share] of shares.entries()) {
    const n = 5 + i;
    // a stretch that comes twice: its second occurrence is the duplicate, whatever overlaps in it
    const text = (share: number) => {
      const length = Math.round(share * 1000), rest = fresh(1000 - 2 * length, length);
      return `${fresh(length)} ${rest} ${fresh(length)}`;
    };
    const off = Object.fromEntries(shares.map((_, j) => [`max_duplicate_${5 + j}_grams`, 1]));
    const only = { ...off, [`max_duplicate_${n}_grams`]: share };
    assertEquals(repetition(text(share - 0.002), only), "kept");
    assertEquals(repetition(text(share + 0.002), only), `duplicate ${n}-grams`);
    assertEquals(repetition(text(share + 0.05), off), "kept");
  }
});

Deno.test("gopher_repetition takes a long word list as it is, whatever came before", () => {
  const draws = new Draws(1), words = Array.from({ length: 20_000 }, () => drawWord(draws)).join(" ");
  assertEquals(repetition(words), "kept"); // its tables have grown
  assertEquals(repetition("a b c ".repeat(5000)), "the most frequent 2-gram");
});
