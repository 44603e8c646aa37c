import { assertEquals } from "@std/assert";
import { blocklist } from "../train/cleaning/blocklist.ts";
import { boilerplate, c4Quality } from "../train/cleaning/c4_quality.ts";
import { contamination } from "../train/cleaning/contamination.ts";
import { html } from "../train/cleaning/html.ts";
import { mojibake } from "../train/cleaning/mojibake.ts";
import { runStage, type StageDefinition } from "../train/cleaning/stage.ts";
import { documentStages } from "../train/cleaning/stages.ts";
import { Draws, drawText } from "./_generated_corpus.ts";

const run = (stage: unknown, text: string, options = {}): string => {
  const result = runStage(stage as StageDefinition, text, options as Record<never, never>);
  return "dropped" in result ? `dropped: ${result.dropped}` : result.text;
};

/** Text as it looks when its UTF-8 is read as Windows-1252. */
const misread = (text: string) => new TextDecoder("windows-1252").decode(new TextEncoder().encode(text));

Deno.test("mojibake repairs what was misread, once and twice", () => {
  for (
    const text of [
      "café",
      "It’s “quoted” – and more…",
      "naïve Ünïcödé, Straße, señor, à la carte",
      "price: 5 € £3 ©2020 ½",
      "Привет, мир",
      "日本語のテキスト",
      "smile 😀🎉",
      "Ł, ő and ő’s",
      "no-break\u00a0space",
    ]
  ) {
    assertEquals(run(mojibake, misread(text)), text);
    assertEquals(run(mojibake, misread(misread(text))), text);
    assertEquals(run(mojibake, `Plain é text… ${misread(text)} and “more”.`), `Plain é text… ${text} and “more”.`);
  }
  const latin1 = [...new TextEncoder().encode("Ärger mit “Zeichen”")].map((byte) => String.fromCharCode(byte)).join("");
  assertEquals(run(mojibake, latin1), "Ärger mit “Zeichen”");
});

Deno.test("mojibake leaves alone what may be meant", () => {
  const texts = [
    "café “CAFÉ” «É» NÃO IRMÃ” Â“ É” È—",
    "naïve “é”—so",
    "Ärger, Öl, Übel; ÀÉÎÕÜ",
    "日本 Привет 😀",
    "Ã alone, â€ cut, ÂB",
  ];
  for (const text of texts) assertEquals(run(mojibake, text), text);
});

Deno.test("html removes tags, scripts, styles and comments, and breaks lines at blocks", () => {
  const page = `<!DOCTYPE html><html><head><title>A title</title><style>p { color: red }</style>
    <script type="text/javascript">if (a < b && "</p>") { x(); }</script></head>
    <body class='x>y'><!-- <p>hidden</p> --><h1>Head&shy;ing</h1><p>One &amp; two,
    <b>bold</b> &lt;three&gt; &#8217;&#x2019;&#146;&nbsp;&eacute;&unknown;</p><ul><li>a</li><li>b</li></ul>
    <pre>  x
    y</pre><img src="a.png" alt="a > b"/>end<br>line</body></html>`;
  assertEquals(
    run(html, page),
    "A title\n\nHeading\n\nOne & two, bold <three> ’’’ é&unknown;\n\na\n\nb\n\n  x\n    y\nend\nline",
  );
  assertEquals(run(html, "a &amp;lt; b"), "a &lt; b");
  assertEquals(run(html, "<p>a &amp; b", { entities: false }), "a &amp; b");
});

Deno.test("html leaves alone what only looks like markup", () => {
  const texts = [
    "a < b and c > d, a<b>c? x <3 y",
    "vector<int> and Map<string, number>, <jane@example.com>, <EMAIL>",
    "unclosed <p and <!-- more",
    "&, &amp without end, &x; &#xzz; AT&T; R&D",
    "two\n\n  lines",
  ];
  assertEquals(run(html, texts[0]), "a < b and c > d, ac? x <3 y"); // <b> is an element
  for (const text of texts.slice(1)) assertEquals(run(html, text), text);
  assertEquals(run(html, "keep\n  <i>these</i>\nlines"), "keep\n  these\nlines"); // no block, so lines are lines
  assertEquals(run(html, "about <script> tags <b>and</b> more"), "about  tags and more");
  assertEquals(run(html, 'an <a href="open>link</a> here'), "an link here");
});

Deno.test("html takes time in proportion to the text, whatever it is", () => {
  for (
    const part of [
      "<",
      "<a ",
      "<!--",
      "<script>",
      '<a href="',
      "<p>",
      "</pre>",
      "<p><pre>\n",
      "&",
      "&#",
      "<![CDATA[",
      " \n",
    ]
  ) {
    const start = performance.now();
    run(html, "<p>" + part.repeat(1_000_000 / part.length));
    assertEquals(performance.now() - start < 2000, true, `${part}: ${performance.now() - start} ms`);
  }
});

const good = "This is a whole line of text.";

Deno.test("boilerplate: each rule removes its lines, and not when it is off", () => {
  const cases: [string, Record<string, unknown>][] = [
    ["A heading without an end of it", { terminal_punctuation: false }],
    ["Only four words here.", { min_words_per_line: 4 }],
    [`A line with a ${"long".repeat(300)} word in it.`, { max_word_length: 2000 }],
    ["Please enable JavaScript in your browser now.", { javascript: false }],
    ["This site uses cookies to improve your experience.", { policy: false }],
    ["Read our Privacy Policy and be happy.", { policy: false }],
    ["Home | About us | Contact | Log in.", { navigation: false }],
  ];
  for (const [line, off] of cases) {
    assertEquals(run(boilerplate, `${good}\n${line}\n\n${good}`), `${good}\n\n${good}`, line);
    assertEquals(run(boilerplate, `${good}\n${line}`, off), `${good}\n${line}`, line);
  }
  assertEquals(run(boilerplate, good), good);
  for (const end of ["?", "!", "…", '."', "”", ". "]) {
    assertEquals(run(boilerplate, `Some words and more words${end}`).length > 9, true);
  }
  assertEquals(run(boilerplate, "Home\nAbout"), "dropped: no line is left");
});

Deno.test("c4_quality: each rule drops, and not when it is off", () => {
  const three = 'One is here. Two is there! "Three?"';
  assertEquals(run(c4Quality, three), three);
  assertEquals(run(c4Quality, "One is here. Version 1.2 of e.g, is!"), "dropped: fewer than 3 sentences");
  assertEquals(run(c4Quality, "One is here. Two.", { min_sentences: 2 }), "One is here. Two.");
  assertEquals(run(c4Quality, three + " Lorem Ipsum dolor"), "dropped: lorem ipsum");
  assertEquals(run(c4Quality, three + " lorem ipsum", { lorem_ipsum: false }), three + " lorem ipsum");
  assertEquals(run(c4Quality, three + " { x }"), "dropped: a curly bracket");
  assertEquals(run(c4Quality, three + " { x }", { curly_brackets: false }), three + " { x }");
});

Deno.test("blocklist drops or masks whole words and phrases", () => {
  const words = ["Ass", "bad phrase here", "…"];
  assertEquals(run(blocklist, "grass and class, a badphrase here", { words }), "grass and class, a badphrase here");
  assertEquals(run(blocklist, "An “ass”!", { words }), "dropped: a blocked word");
  assertEquals(run(blocklist, "A bad, PHRASE - here.", { words }), "dropped: a blocked word");
  assertEquals(run(blocklist, "ass, ass", { words, max_found: 1 }), "dropped: a blocked word");
  assertEquals(run(blocklist, "one ass", { words, max_found: 1 }), "one ass");
  assertEquals(run(blocklist, "An “ass”! (Bad phrase\nhere.)", { words, action: "mask", mask: "*" }), "An “*”! (*.)");
  const nested = ["bad phrase", "phrase", "bad phrase here"];
  assertEquals(run(blocklist, "a bad phrase here", { words: nested, action: "mask" }), "a <BLOCKED>");
  assertEquals(run(blocklist, "anything"), "anything");
});

Deno.test("contamination drops texts with 13 words of an evaluation text, and not with 12", () => {
  const draws = new Draws(4),
    evaluation = drawText(draws, 60),
    other = drawText(draws, 2000),
    words = evaluation.split(/\s+/);
  const texts = [drawText(draws, 30), evaluation, "short"];
  for (const from of [0, 20, 47]) {
    const shared = words.slice(from, from + 13).join(" — ").toUpperCase();
    assertEquals(
      run(contamination, `${other}, ${shared}, ${other}`, { texts }),
      "dropped: 13 words of an evaluation text",
    );
    const fewer = `${other} elsewhere ${words.slice(from, from + 12).join(" ")} elsewhere ${other}`;
    assertEquals(run(contamination, fewer, { texts }), fewer);
    assertEquals(run(contamination, fewer, { texts, words: 12 }), "dropped: 12 words of an evaluation text");
  }
  assertEquals(run(contamination, "short"), "short");
  const long = drawText(draws, 50_000); // so many sequences that a hash of few bits would find some of them
  assertEquals(run(contamination, long, { texts: [drawText(draws, 50_000)] }), long);
});

Deno.test("every stage is a function of the text, and throws at none", () => {
  const odd = [
    "",
    " ",
    "\n",
    "\ud800",
    "\udc00\udc00",
    "😀",
    "\0",
    "<",
    "&#",
    "@",
    "Ã",
    "é".repeat(3000),
    "a".repeat(100_000),
    "日本語",
  ];
  for (const [name, stage] of Object.entries(documentStages)) {
    for (const text of odd) assertEquals(runStage(stage, text), runStage(stage, text), name);
  }
});
