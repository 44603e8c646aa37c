import { parseArgs } from "@std/cli/parse-args";
import { WeftError } from "../engine/weft_error.ts";

/** What was written on the command line: words, and `--name=value` pairs as strings. */
export interface CommandLine {
  /** Words that are no flags, in order. */
  readonly words: readonly string[];
  /** Flags by name; a bare `--name` is "true". */
  readonly flags: Readonly<Record<string, string>>;
  /** Whether `--help` or `-h` was among them. */
  readonly help: boolean;
}

/**
 * Takes a command line apart. Values stay strings; the table of options gives them types.
 *
 * @throws {WeftError} at a flag with one dash, at a flag given twice, and at more words than allowed.
 */
export function parseCommandLine(
  args: readonly string[],
  options: { readonly words?: number } = {},
): CommandLine {
  for (const arg of args) {
    if (/^-[^-\d]/.test(arg) && arg !== "-h") {
      throw new WeftError(`${arg} is not known: flags are written --name=value`);
    }
  }
  const names = args.flatMap((arg) => /^--([^=]+)/.exec(arg)?.[1] ?? []);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new WeftError(`--${twice} is given twice`);
  // A bare flag takes no word after it: only --name=value carries a value.
  const bare = args.flatMap((arg) => /^--([^=]+)$/.exec(arg)?.[1] ?? []).filter((name) => name !== "help");
  const parsed: Record<string, unknown> = parseArgs([...args], {
    string: names.filter((name) => name !== "help" && !bare.includes(name)),
    boolean: ["help", ...bare],
    alias: { h: "help" },
  });
  const { _: words, help, h: _h, ...flags } = parsed;
  const list = (words as unknown[]).map(String), allowed = options.words ?? 0;
  if (list.length > allowed) {
    throw new WeftError(`${list[allowed]} is one word too many: flags are written --name=value`);
  }
  return {
    words: list,
    flags: Object.fromEntries(Object.entries(flags).map(([name, value]) => [name, String(value)])),
    help: help === true,
  };
}
