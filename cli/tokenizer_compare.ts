import { WeftError } from "../engine/weft_error.ts";
import { describeOptions, resolveOptions } from "../train/options.ts";
import { loadAnyTokenizer } from "./any_tokenizer.ts";
import { parseCommandLine } from "./command_line.ts";
import { readInput, textOf } from "./read_input.ts";
import { bytesOf } from "./tokenizer_encode.ts";

const options = {
  tokenizers: { type: "string", default: "", help: "tokenizers, files or folders, with commas between them" },
  json: { type: "bool", default: false, help: "print the table as JSON" },
} as const;

const help = `Compares what several tokenizers make of a text.

  deno task tokenizer compare FILE --tokenizers=a.json,b.json [--json]

${describeOptions(options)}`;

/** `deno task tokenizer compare`. */
export async function compareCommand(args: string[]): Promise<void> {
  const { words, flags, help: wantsHelp } = parseCommandLine(args, { words: 1, options });
  if (wantsHelp) return console.log(help);
  const values = resolveOptions(options, [{ source: "command line", values: flags }]);
  const paths = values.tokenizers.split(",").filter((path) => path !== "");
  if (paths.length === 0) throw new WeftError("nothing to compare: name them with --tokenizers=a.json,b.json");
  const tokenizers = await Promise.all(paths.map(loadAnyTokenizer));
  const bytes = await readInput(words[0]), text = textOf(bytes, words[0]);
  if (text === "") throw new WeftError(`${words[0] ?? "standard input"} is empty: a text to compare on is needed`);
  const rows = tokenizers.map((tokenizer, i) => {
    const ids = tokenizer.encode(text), start = performance.now(); // once to fill its cache of words
    tokenizer.encode(text);
    const seconds = (performance.now() - start) / 1000;
    return {
      tokenizer: paths[i],
      vocabulary: tokenizer.vocabSize,
      used: new Set(ids).size,
      tokens: ids.length,
      bytes_per_token: bytes.length / ids.length,
      megabytes_per_second: bytes.length / 1e6 / seconds,
      exact: sameBytes(bytesOf(tokenizer, ids), bytes),
    };
  });
  if (values.json) return console.log(JSON.stringify(rows, null, 2));
  const table = rows.map((row) => [
    row.tokenizer,
    String(row.vocabulary),
    String(row.used),
    String(row.tokens),
    row.bytes_per_token.toFixed(3),
    row.megabytes_per_second.toFixed(1),
    row.exact ? "yes" : "no",
  ]);
  table.unshift(["tokenizer", "vocabulary", "used", "tokens", "bytes/token", "MB/s", "decodes to the text"]);
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)));
  for (const row of table) {
    console.log(row.map((cell, i) => i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])).join("  "));
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
