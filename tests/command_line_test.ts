import { assertEquals, assertThrows } from "@std/assert";
import { WeftError } from "../mod.ts";
import { parseCommandLine } from "../cli/command_line.ts";
import { formatCount, formatDuration } from "../cli/format.ts";
import { Progress } from "../cli/progress.ts";
import { describeError } from "../cli/run_command.ts";

Deno.test("values stay as they are written", () => {
  const { words, flags, help } = parseCommandLine([
    "c.yaml",
    "--start=0012",
    "--n=",
    "--json",
    "--x=a=b",
  ], { words: 1 });
  assertEquals(words, ["c.yaml"]);
  assertEquals(flags, { start: "0012", n: "", json: "true", x: "a=b" });
  assertEquals(help, false);
  assertEquals([parseCommandLine(["--help"]).help, parseCommandLine(["-h"]).help], [true, true]);
});

Deno.test("a flag takes the next word, unless it stands for true", () => {
  const options = { fixture: { type: "string", help: "" }, json: { type: "bool", help: "" } } as const;
  const { flags, words } = parseCommandLine(["--fixture", "DIR", "--json", "a.yaml", "--fixtures", "b"], {
    words: 2,
    options,
  });
  assertEquals(flags, { fixture: "DIR", json: "true", fixtures: "true" });
  assertEquals(words, ["a.yaml", "b"]);
  assertEquals(parseCommandLine(["--fixture", "--json"], { options }).flags, { fixture: "true", json: "true" });
});

Deno.test("what cannot be meant is refused", () => {
  assertThrows(() => parseCommandLine(["--a=1", "--a=2"]), WeftError, "--a is given twice");
  for (const strange of ["--_=1", "--__proto__=1", "-5", "--a.b=1", "--", "--=1"]) {
    assertThrows(
      () => parseCommandLine([strange]),
      WeftError,
      `${strange} is not known: flags are written --name=value`,
    );
  }
  assertThrows(
    () => parseCommandLine(["-n=2"]),
    WeftError,
    "-n=2 is not known: flags are written --name=value",
  );
  assertThrows(() => parseCommandLine(["--n_layer", "2"]), WeftError, "2 is one word too many");
});

Deno.test("time and numbers are short", () => {
  assertEquals([0, 59.6, 61, 3600, 7384].map(formatDuration), ["0s", "1m 00s", "1m 01s", "1h 00m", "2h 03m"]);
  assertEquals([0, 950, 1234, 1.5e6, 67e12].map(formatCount), ["0", "950", "1.23k", "1.50M", "67.0T"]);
});

Deno.test("progress is one live line on a terminal and plain lines in a pipe", () => {
  const show = (columns?: number) => {
    let text = "";
    const progress = new Progress({ write: (part) => void (text += part), columns: () => columns });
    progress.update("step 1 of many");
    progress.update("step 2");
    progress.print("evaluation");
    progress.update("step 3");
    progress.done();
    return text;
  };
  assertEquals(show(), "step 1 of many\nstep 2\nevaluation\nstep 3\n");
  assertEquals(show(9), "\r\x1b[Kstep 1 o\r\x1b[Kstep 2\nevaluation\n\r\x1b[Kstep 3\n");
});

Deno.test("errors that a user can act on are one line", () => {
  assertEquals(describeError(new WeftError("it is so")), "error: it is so");
  assertEquals(describeError(new Deno.errors.NotCapable("Requires read access\nmore")).split("\n").length, 1);
  assertEquals(describeError(new Error("a bug")).startsWith("internal error: Error: a bug"), true);
});
