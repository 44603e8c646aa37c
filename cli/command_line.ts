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
  const strange = args.find((arg) => arg.startsWith("-") && arg !== "-h" && !/^--[a-z]\w*(-\w+)*(=|$)/s.test(arg));
  if (strange !== undefined) throw new WeftError(`${strange} is not known: flags are written --name=value`);
  const negated = args.find((arg) => arg.startsWith("--no-"));
  if (negated !== undefined) {
    throw new WeftError(`${negated} is not known: write --${negated.slice(5).replace(/=.*/, "")}=false`);
  }
  // parseArgs would take a word after a bare flag for its value: only --name=value carries one.
  const pairs = args.map((arg) => /^--([^=]+)$/.test(arg) && arg !== "--help" ? `${arg}=true` : arg);
  const names = pairs.flatMap((arg) => /^--([^=]+)=/.exec(arg)?.[1] ?? []);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new WeftError(`--${twice} is given twice`);
  const parsed: Record<string, unknown> = parseArgs(pairs, {
    string: [...names, "_"],
    boolean: ["help"],
    alias: { h: "help" },
  });
  const { _: words, help, h: _h, ...flags } = parsed;
  const list = words as string[], allowed = options.words ?? 0;
  if (list.length > allowed) {
    throw new WeftError(`${list[allowed]} is one word too many: flags are written --name=value`);
  }
  return {
    words: list,
    flags: Object.fromEntries(Object.entries(flags).map(([name, value]) => [name, String(value)])),
    help: help === true,
  };
}
