import { BpeTokenizer } from "../model/bpe_tokenizer.ts";
import { CharTokenizer } from "../model/char_tokenizer.ts";
import type { Tokenizer } from "../model/tokenizer.ts";
import { describeOptions, resolveOptions } from "../train/options.ts";
import { loadAnyTokenizer } from "./any_tokenizer.ts";
import { parseCommandLine } from "./command_line.ts";
import { readInput, textOf } from "./read_input.ts";
import { bytesOf, tokenizerOption } from "./tokenizer_encode.ts";

const options = {
  ...tokenizerOption,
  text: { type: "string", default: "", help: "text to show, instead of a file" },
  ids: { type: "bool", default: false, help: "show the id of each token, too" },
  limit: { type: "int", default: 2000, min: 1, help: "most tokens to show" },
  color: {
    type: "string",
    default: "auto",
    choices: ["auto", "always", "never"],
    help: "colours; auto: on a terminal, unless NO_COLOR is set",
  },
} as const;

const help = `Says what a tokenizer is, and shows the tokens of a text.

  deno task tokenizer inspect [FILE] [--tokenizer=tokenizer.json] [--text="To be"] [--key=value …]

${describeOptions(options)}`;

/** `deno task tokenizer inspect`. */
export async function inspectCommand(args: string[]): Promise<void> {
  const { words, flags, help: wantsHelp } = parseCommandLine(args, { words: 1, options });
  if (wantsHelp) return console.log(help);
  const values = resolveOptions(options, [{ source: "command line", values: flags }]);
  const tokenizer = await loadAnyTokenizer(values.tokenizer);
  for (const [name, value] of facts(tokenizer)) console.log(name.padEnd(16) + value);
  const text = words[0] === undefined ? values.text : textOf(await readInput(words[0]), words[0]);
  if (text === "") return;
  const ids = tokenizer.encode(text), bytes = bytesOf(tokenizer, ids).length;
  const color = values.color === "always" || (values.color === "auto" && !Deno.noColor && Deno.stdout.isTerminal());
  const shown = [...ids.subarray(0, values.limit)];
  console.log(`\n${showTokens(tokenizer, shown, { color, ids: values.ids })}\n`);
  if (shown.length < ids.length) console.log(`… and ${ids.length - shown.length} more (--limit=${ids.length})\n`);
  const characters = [...text].length;
  console.log(
    `${ids.length} tokens of ${new Set(ids).size} kinds for ${characters} characters, ${bytes} bytes: ` +
      `${(bytes / ids.length).toFixed(2)} bytes per token`,
  );
}

function facts(tokenizer: Tokenizer): [string, string][] {
  if (tokenizer instanceof CharTokenizer) {
    return [["kind", "characters"], ["vocabulary", `${tokenizer.vocabSize} tokens`]];
  }
  if (!(tokenizer instanceof BpeTokenizer)) {
    return [["kind", "of Hugging Face, by its library"], ["vocabulary", `ids below ${tokenizer.vocabSize}`]];
  }
  const { merges } = tokenizer.toJSON().model, special = tokenizer.addedTokens;
  const longest = merges.map(([left, right]) => left + right).sort((a, b) => b.length - a.length).slice(0, 5)
    .map((token) => token.length > 32 ? `${token.slice(0, 32)}… (${token.length} bytes)` : token);
  return [
    ["kind", "byte-level BPE"],
    ["pattern", tokenizer.pattern],
    ["vocabulary", `ids below ${tokenizer.vocabSize}; ${merges.length} merges`],
    ["added tokens", special.map(({ content, id }) => `${escape(content)} ${id}`).join(", ") || "none"],
    ["longest tokens", longest.join(", ") || "none"],
  ];
}

/** Background colours that neighbours do not share, under black letters. */
const colors = [153, 157, 229, 217, 183];

/** Tokens one after the other: apart by colours, else by bars. */
function showTokens(
  tokenizer: Tokenizer,
  shown: readonly number[],
  { color, ids }: { readonly color: boolean; readonly ids: boolean },
): string {
  const pieces = shown.map((id) => {
    const bytes = bytesOf(tokenizer, [id]), text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
    const whole = !text.includes("\ufffd");
    const name = whole ? escape(text) : Array.from(bytes, (byte) => `<${byte.toString(16).padStart(2, "0")}>`).join("");
    return { name: ids ? `${name}(${id})` : name, newline: text.endsWith("\n") };
  });
  if (!color) return pieces.map(({ name, newline }) => name + (newline ? "\n" : "|")).join("").replace(/[|\n]$/, "");
  return pieces.map(({ name, newline }, i) =>
    `\x1b[30;48;5;${colors[i % colors.length]}m${name}\x1b[0m${newline ? "\n" : ""}`
  ).join("");
}

/** A text as one line that a terminal cannot take for commands. */
function escape(text: string): string {
  return text.replaceAll("\n", "↵").replaceAll(
    /\p{C}/gu,
    (character) => `<U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}>`,
  );
}
