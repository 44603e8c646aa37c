import { assertEquals } from "@std/assert";
import { runStage } from "../train/cleaning/stage.ts";
import { unicode } from "../train/cleaning/unicode.ts";

const cleaned = (text: string, options: Parameters<typeof runStage<typeof unicode.options>>[2] = {}) =>
  (runStage(unicode, text, options) as { text: string }).text;

Deno.test("unicode composes characters", () => {
  assertEquals(cleaned("e\u0301 A\u030a \u1100\u1161 \u212b"), "é Å 가 Å");
  assertEquals(cleaned("ﬁ e\u0301 ² Ａ"), "ﬁ é ² Ａ");
  assertEquals(cleaned("ﬁ e\u0301 ² Ａ", { form: "NFKC" }), "fi é 2 A");
  assertEquals(cleaned("a e\u0301", { form: "none" }), "a e\u0301");
});

Deno.test("unicode makes every line break \\n", () => {
  assertEquals(cleaned("a\r\nb\rc\x85d\u2028e\u2029f\ng"), "a\nb\nc\nd\ne\nf\ng");
});

Deno.test("unicode removes control characters and byte order marks, and keeps tabs", () => {
  assertEquals(cleaned("\ufeffa\x00b\x07\tc\x7f\x9f\ufeffd\uffff"), "ab\tcd");
  assertEquals(cleaned("zero\u200dwidth joiners\u200c stay"), "zero\u200dwidth joiners\u200c stay");
});

Deno.test("unicode replaces half surrogate pairs, and keeps whole ones", () => {
  assertEquals(cleaned("\ud83d😀\ude00a\ud800"), "\ufffd😀\ufffda\ufffd");
});

Deno.test("unicode removes blanks at ends of lines and long runs of blank lines", () => {
  assertEquals(cleaned("a \t\n  b\u00a0\nc\u3000\u2003\nd \x00 \n"), "a\n  b\nc\nd");
  for (const blank of [" ", "\t", "\u00a0", "\u2003", "\u3000"]) {
    assertEquals(cleaned(`c${blank}\nd`), "c\nd");
    assertEquals(cleaned(`c\nd${blank}`), "c\nd");
  }
  assertEquals(cleaned("\n \na\n\n\n\nb\n \n\t\n\nc\n\nd\n\n"), "a\n\nb\n\nc\n\nd");
  assertEquals(cleaned("a\n\n\nb", { max_blank_lines: 0 }), "a\nb");
  assertEquals(cleaned("a\n\n\nb\n\n\n\nc", { max_blank_lines: 2 }), "a\n\n\nb\n\n\nc");
});

Deno.test("unicode changes nothing when it comes again, and no text makes it slow", () => {
  for (const text of ["a \r\n\x00 e\u0301\u0300\ud800 \n\n\n\n b ", "\x00 \n \u2028 \x00\n x\u0000\u0301"]) {
    assertEquals(cleaned(cleaned(text)), cleaned(text));
  }
  const start = performance.now();
  assertEquals(cleaned(("a" + " ".repeat(1000)).repeat(1000) + "b").length, 1001 * 1000 + 1);
  assertEquals(cleaned("\n \n".repeat(100_000) + "b"), "b");
  assertEquals(performance.now() - start < 2000, true);
});
