import { assertEquals, assertThrows } from "@std/assert";
import { WeftError } from "../mod.ts";
import { Cleaner, parsePipeline } from "../train/cleaning/pipeline.ts";
import { addStatistics, utf8Length } from "../train/cleaning/statistics.ts";

Deno.test("a pipeline is read from names and objects, with every option", () => {
  const stages = parsePipeline([
    "unicode",
    { stage: "gopher_quality", min_words: 7 },
    "exact_duplicates",
    "near_duplicates",
  ]);
  assertEquals(stages.map(({ stage }) => stage), ["unicode", "gopher_quality", "exact_duplicates", "near_duplicates"]);
  assertEquals(stages[0].options, { form: "NFC", max_blank_lines: 1 });
  assertEquals([stages[1].options.min_words, stages[1].options.max_words], [7, 100_000]);
});

Deno.test("a pipeline that is wrong says what, where and what is allowed", () => {
  const cases: [unknown, string][] = [
    ["unicode", "The pipeline must be a list"],
    [[{ min_words: 3 }], 'Stage 1 of the pipeline is {"min_words":3}: it must have a stage: NAME'],
    [[null], "Stage 1 of the pipeline is null"],
    [["unicode", "gopher_qualty"], "Stage 2: gopher_qualty is not known; did you mean gopher_quality?"],
    [["xxxxxxxxxxxxxxxxxxxxxx"], "there are mojibake, html, unicode, "],
    [
      [{ stage: "gopher_quality", min_word: 3 }],
      "Stage 1, gopher_quality: min_word is not known; did you mean min_words?",
    ],
    [[{ stage: "exact_duplicates", something: 3 }], "something is not known; it has no options"],
    [[{ stage: "gopher_quality", min_words: -1 }], "min_words is -1: it must be a whole number from 0"],
    [[{ stage: "gopher_quality", min_words: [3] }], "min_words is [3]: it must be a whole number from 0"],
    [[{ stage: "gopher_quality", stop_words: "the" }], 'stop_words is "the": it must be a list of texts'],
    [[{ stage: "redact", types: ["MAIL"] }], 'types has "MAIL": its items must be among EMAIL, IP'],
    [
      ["exact_duplicates", "unicode"],
      "Stage 1, exact_duplicates: it looks at cleaned texts and must come after unicode",
    ],
    [["near_duplicates", "exact_duplicates"], "Stage 2, exact_duplicates: it must come before near_duplicates"],
    [["exact_duplicates", "exact_duplicates"], "it must be there once"],
  ];
  for (const [value, message] of cases) assertThrows(() => parsePipeline(value), WeftError, message);
});

Deno.test("a document goes through the stages until one drops it, and each counts", () => {
  const cleaner = new Cleaner(parsePipeline([{ stage: "gopher_quality", min_words: 4, min_stop_words: 0 }, "redact"]));
  const clean = (text: string, source: string) => cleaner.clean({ text, source });
  assertEquals(clean("Please write to jane@example.com now", "a:1"), { text: "Please write to <EMAIL> now" });
  assertEquals(clean("too short", "a:2"), { stage: "gopher_quality", reason: "fewer than 4 words" });
  assertEquals(clean("nothing happens to thïs", "a:3"), { text: "nothing happens to thïs" });
  const [quality, redaction] = cleaner.takeStatistics();
  assertEquals(quality, {
    stage: "gopher_quality",
    documents: 3,
    bytes: 36 + 9 + 24,
    documentsKept: 2,
    bytesKept: 36 + 24,
    changed: 0,
    dropped: { "fewer than 4 words": { documents: 1, bytes: 9 } },
    counts: {},
    examples: { "fewer than 4 words": [{ source: "a:2", before: "too short" }] },
  });
  assertEquals([redaction.documents, redaction.bytesKept, redaction.changed], [2, 60 - 16 + 7, 1]);
  assertEquals(redaction.counts, { EMAIL: 1 });
  assertEquals(redaction.examples.changed, [
    { source: "a:1", before: "Please write to jane@example.com now", after: "Please write to <EMAIL> now" },
  ]);
  assertEquals(cleaner.statistics[0].documents, 0);
});

Deno.test("a text of which nothing is left is dropped as empty", () => {
  const cleaner = new Cleaner(parsePipeline(["unicode"]));
  assertEquals(cleaner.clean({ text: " \n\x00\n", source: "a" }), { stage: "unicode", reason: "empty" });
});

Deno.test("statistics of batches add up, and the first examples stay", () => {
  const sum = new Cleaner(parsePipeline(["redact"])).statistics, whole = new Cleaner(parsePipeline(["redact"]));
  const cleaner = new Cleaner(parsePipeline(["redact"]));
  for (let i = 0; i < 7; i++) {
    const document = { text: i === 3 ? " " : `mail ${i}@example.com ${"x".repeat(400)}`, source: `a:${i}` };
    cleaner.clean(document);
    whole.clean(document);
    if (i % 2 === 0) addStatistics(sum, cleaner.takeStatistics());
  }
  assertEquals(sum, whole.statistics);
  assertEquals(sum[0].examples.changed.map(({ source }) => source), ["a:0", "a:1", "a:2"]);
  assertEquals(sum[0].examples.changed[0].before.length < 300, true);
});

Deno.test("bytes of UTF-8 are counted as an encoder writes them", () => {
  for (const text of ["", "abc", "é€😀", "\ud800", "\udc00a\ud83d", "a\udc00\ud83d\ude00"]) {
    assertEquals(utf8Length(text), new TextEncoder().encode(text).length, JSON.stringify(text));
  }
});
