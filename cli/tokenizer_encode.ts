import { WeftError } from "../engine/weft_error.ts";
import { BpeTokenizer } from "../model/bpe_tokenizer.ts";
import type { Tokenizer } from "../model/tokenizer.ts";
import { describeOptions, resolveOptions } from "../train/options.ts";
import { refuseToOverwrite } from "../train/tokenizer_file.ts";
import { loadAnyTokenizer } from "./any_tokenizer.ts";
import { parseCommandLine } from "./command_line.ts";
import { readInput, textOf } from "./read_input.ts";

/** Options of every command with a tokenizer. */
export const tokenizerOption = {
  tokenizer: {
    type: "string",
    default: "tokenizer.json",
    help: "a tokenizer.json, or a folder with one, or with GPT-2's encoder.json and vocab.bpe",
  },
} as const;

const output = {
  out: { type: "string", default: "", help: "file to write instead of standard output" },
  overwrite: { type: "bool", default: false, help: "write over a file of that name" },
} as const;

const encodeOptions = {
  ...tokenizerOption,
  special_tokens: {
    type: "string",
    default: "allow",
    choices: ["allow", "text"],
    help: "what <|endoftext|> in the text is: that token, or text; text takes any bytes, UTF-8 or not",
  },
  ...output,
} as const;

const decodeOptions = { ...tokenizerOption, ...output } as const;

const encodeHelp =
  `Encodes a text, from a file or standard input, byte for byte: ids as numbers with spaces between them.

  deno task tokenizer encode [FILE] [--tokenizer=tokenizer.json] [--key=value …]

${describeOptions(encodeOptions)}`;

const decodeHelp = `Decodes ids, numbers with spaces, commas or line ends between them, to the bytes of the text.

  deno task tokenizer decode [FILE] [--tokenizer=tokenizer.json] [--key=value …]

${describeOptions(decodeOptions)}`;

/** `deno task tokenizer encode`. */
export async function encodeCommand(args: string[]): Promise<void> {
  const { words, flags, help } = parseCommandLine(args, { words: 1, options: encodeOptions });
  if (help) return console.log(encodeHelp);
  const values = resolveOptions(encodeOptions, [{ source: "command line", values: flags }]);
  const tokenizer = await loadAnyTokenizer(values.tokenizer), bytes = await readInput(words[0]);
  const asText = values.special_tokens === "text";
  const ids = tokenizer instanceof BpeTokenizer && asText
    ? tokenizer.encodeBytes(bytes)
    : tokenizer.encode(textOf(bytes, words[0]));
  await write(new TextEncoder().encode(ids.join(" ") + "\n"), values);
}

/** `deno task tokenizer decode`. */
export async function decodeCommand(args: string[]): Promise<void> {
  const { words, flags, help } = parseCommandLine(args, { words: 1, options: decodeOptions });
  if (help) return console.log(decodeHelp);
  const values = resolveOptions(decodeOptions, [{ source: "command line", values: flags }]);
  const tokenizer = await loadAnyTokenizer(values.tokenizer);
  const ids = parseIds(textOf(await readInput(words[0]), words[0]), words[0] ?? "standard input");
  await write(bytesOf(tokenizer, ids), values);
}

/** The bytes of ids, which a tokenizer of characters gives as text. */
export function bytesOf(tokenizer: Tokenizer, ids: ArrayLike<number>): Uint8Array<ArrayBuffer> {
  return tokenizer.decodeBytes?.(ids) ?? new TextEncoder().encode(tokenizer.decode(ids));
}

function parseIds(text: string, name: string): number[] {
  const strange = /[^\d\s,[\]]\S*/.exec(text);
  if (strange !== null) {
    throw new WeftError(
      `${name} holds ${JSON.stringify(strange[0].slice(0, 20))}: it must hold ids, which are numbers`,
    );
  }
  return (text.match(/\d+/g) ?? []).map(Number);
}

async function write(bytes: Uint8Array<ArrayBuffer>, { out, overwrite }: { out: string; overwrite: boolean }) {
  if (out === "") {
    for (let at = 0; at < bytes.length;) at += await Deno.stdout.write(bytes.subarray(at));
    return;
  }
  if (!overwrite) await refuseToOverwrite(out);
  try {
    await Deno.writeFile(`${out}.new`, bytes);
    await Deno.rename(`${out}.new`, out);
  } catch (error) {
    throw new WeftError(`${out} cannot be written: ${(error as Error).message}`);
  }
}
