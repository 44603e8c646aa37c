import { runCommand } from "./run_command.ts";
import { runSubcommand } from "./run_subcommand.ts";
import { compareCommand } from "./tokenizer_compare.ts";
import { decodeCommand, encodeCommand } from "./tokenizer_encode.ts";
import { inspectCommand } from "./tokenizer_inspect.ts";
import { trainTokenizerCommand } from "./tokenizer_train.ts";

const commands = {
  train: trainTokenizerCommand,
  encode: encodeCommand,
  decode: decodeCommand,
  inspect: inspectCommand,
  compare: compareCommand,
};

const help = `Makes tokenizers, uses them, and looks into them.

  deno task tokenizer train FILE…       learn a byte-level BPE tokenizer from texts
  deno task tokenizer encode [FILE]     a text to ids, from a file or standard input
  deno task tokenizer decode [FILE]     ids to the text
  deno task tokenizer inspect [FILE]    what a tokenizer is, and its tokens of a text in colour
  deno task tokenizer compare FILE      bytes per token of several tokenizers

Each says more with --help.`;

/** `deno task tokenizer`. */
export function tokenizerCommand(args: string[]): Promise<void> {
  return runSubcommand({ name: "tokenizer", help, commands }, args);
}

if (import.meta.main) await runCommand(tokenizerCommand);
