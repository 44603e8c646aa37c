import { assertEquals } from "@std/assert";
import { Cleaner, parsePipeline } from "../train/cleaning/pipeline.ts";
import { cleaningReport } from "../train/cleaning/report.ts";

Deno.test("a report tells what each stage did, with examples that are escaped", () => {
  const cleaner = new Cleaner(
    parsePipeline(["unicode", { stage: "gopher_quality", min_words: 4, min_stop_words: 0 }, "redact"]),
  );
  cleaner.clean({ text: `<script>alert("x")</script> & 'mail' jane@example.com now please`, source: "<a>.txt:1" });
  cleaner.clean({ text: "too <b>short</b>", source: "a.txt:2" });
  cleaner.clean({ text: "this one is quite all right", source: "a.txt:3" });
  const page = cleaningReport(cleaner.statistics, { title: "A & B", notes: ["of <files>"] });
  for (
    const part of [
      "<title>A &amp; B</title>",
      "of &lt;files&gt;",
      "2 of 3 documents stay (66.7 %)",
      "Replaced: 1 EMAIL.",
      "dropped, fewer than 4 words: 1 document, 16 bytes (33.3 %)",
      "&lt;a&gt;.txt:1",
      "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; &#39;mail&#39; jane@example.com",
      "&lt;EMAIL&gt;",
      "too &lt;b&gt;short&lt;/b&gt;",
      "It let all pass as they were.",
    ]
  ) assertEquals(page.includes(part), true, part);
  assertEquals(/<script|src=|https?:|@import|url\(/.test(page), false); // it needs and runs nothing from elsewhere
});

Deno.test("a report of nothing is a page", () => {
  assertEquals(cleaningReport([]).includes("No stage has run."), true);
  assertEquals(
    cleaningReport(new Cleaner(parsePipeline(["unicode"])).statistics).includes("0 of 0 documents stay (–)"),
    true,
  );
});
