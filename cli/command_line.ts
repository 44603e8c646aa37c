import { parseArgs } from "@std/cli/parse-args";
import { WeftError } from "../engine/weft_error.ts";
import type { OptionTable } from "../train/options.ts";

/** What was written on the command line: words, and flags with their values as strings. */
export interface CommandLine {
  /** Words that are no flags, in order. */
  readonly words: readonly string[];
  /** Flags by name; a bare `--name` is "true". */
  readonly flags: Readonly<Record<string, string>>;
  /** Whether `--help` or `-h` was among them. */
  readonly help: boolean;
}

/** What a command takes. */
export interface CommandLineOptions {
  /** How many words beside flags. Default: none. */
  readonly words?: number;
  /** Its options: which of them stand for true without a value, and which take the next word. */
  readonly options?: OptionTable;
}

/**
 * Takes a command line apart: `--name=value`, `--name value`, and `--name` alone for true. A `-` is a word. Values stay strings; the table
 * of options gives them types.
 *
 * @throws {WeftError} at a flag with one dash, at a flag given twice, and at more words than allowed.
 */
export function parseCommandLine(
  args: readonly string[],
  { words: allowed = 0, options = {} }: CommandLineOptions = {},
): CommandLine {
  const strange = args.find((arg) =>
    arg.startsWith("-") && arg !== "-" && arg !== "-h" && !/^--[a-z]\w*(-\w+)*(=|$)/s.test(arg)
  );
  if (strange !== undefined) throw new WeftError(`${strange} is not known: flags are written --name=value`);
  const negated = args.find((arg) => arg.startsWith("--no-"));
  if (negated !== undefined) {
    throw new WeftError(`${negated} is not known: write --${negated.slice(5).replace(/=.*/, "")}=false`);
  }
  // parseArgs would take a word after any bare flag for its value; here the table says which flags take one.
  const pairs: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const name = /^--([^=]+)$/.exec(args[i])?.[1], next = args[i + 1];
    if (name === undefined || name === "help") pairs.push(args[i]);
    else if (
      Object.hasOwn(options, name) && options[name].type !== "bool" && next !== undefined && !next.startsWith("--")
    ) {
      pairs.push(`${args[i++]}=${next}`);
    } else pairs.push(`${args[i]}=true`);
  }
  const names = pairs.flatMap((arg) => /^--([^=]+)=/.exec(arg)?.[1] ?? []);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new WeftError(`--${twice} is given twice`);
  const parsed: Record<string, unknown> = parseArgs(pairs, {
    string: [...names, "_"],
    boolean: ["help"],
    alias: { h: "help" },
  });
  const { _: words, help, h: _h, ...flags } = parsed;
  const list = words as string[];
  if (list.length > allowed) {
    throw new WeftError(`${list[allowed]} is one word too many: flags are written --name=value`);
  }
  return {
    words: list,
    flags: Object.fromEntries(Object.entries(flags).map(([name, value]) => [name, String(value)])),
    help: help === true,
  };
}
