import { WeftError } from "../engine/weft_error.ts";
import { type BpeTrainerProgress, trainBpe } from "../train/bpe_trainer.ts";
import { describeOptions, resolveOptions } from "../train/options.ts";
import { readTextPieces } from "../train/text_pieces.ts";
import { refuseToOverwrite, saveTokenizer } from "../train/tokenizer_file.ts";
import { wholeWords } from "../train/whole_words.ts";
import { parseCommandLine } from "./command_line.ts";
import { formatCount, formatDuration } from "./format.ts";
import { Progress } from "./progress.ts";

const options = {
  input: { type: "string", default: "", help: "text files, with commas between them; or as words" },
  vocab_size: { type: "int", default: 8192, min: 257, help: "tokens, with the 256 bytes and the special tokens" },
  pattern: { type: "string", default: "gpt2", choices: ["gpt2", "cl100k"], help: "how text is cut into words" },
  min_frequency: { type: "int", default: 2, min: 1, help: "how often a pair must occur to become a token" },
  special: { type: "string", default: "<|endoftext|>", help: "special tokens, with commas between them" },
  out: { type: "string", default: "tokenizer.json", help: "file to write" },
  overwrite: { type: "bool", default: false, help: "write over a file of that name" },
  workers: { type: "int", default: navigator.hardwareConcurrency, min: 0, help: "threads that count words" },
} as const;

const help =
  `Learns a byte-level BPE tokenizer from texts, and writes a tokenizer.json that Hugging Face's libraries read.

  deno task tokenizer train FILE… [--vocab_size=8192] [--out=tokenizer.json] [--key=value …]

${describeOptions(options)}`;

/** `deno task tokenizer train`. */
export async function trainTokenizerCommand(args: string[]): Promise<void> {
  const { words, flags, help: wantsHelp } = parseCommandLine(args, { words: Infinity, options });
  if (wantsHelp) return console.log(help);
  const values = resolveOptions(options, [{ source: "command line", values: flags }]);
  const files = [...words, ...values.input.split(",").filter((name) => name !== "")];
  if (files.length === 0) throw new WeftError("no text to learn from: name files, or --input=FILE");
  if (!values.overwrite) await refuseToOverwrite(values.out); // said before the work, not after it
  const progress = new Progress(), start = performance.now();
  const report = throttled((state: BpeTrainerProgress) => progress.update(describe(state)));
  const tokenizer = await trainBpe(textsOf(files), {
    vocabSize: values.vocab_size,
    pattern: values.pattern,
    minFrequency: values.min_frequency,
    specialTokens: values.special.split(",").filter((token) => token !== ""),
    workers: values.workers,
    onProgress: report,
  });
  await saveTokenizer(values.out, tokenizer, values);
  progress.print(
    `${values.out}: ${tokenizer.vocabSize} tokens after ${formatDuration((performance.now() - start) / 1000)}` +
      (tokenizer.vocabSize < values.vocab_size
        ? `; the text has no more pairs that occur ${values.min_frequency} times`
        : ""),
  );
}

/** The words of a file end with it. */
async function* textsOf(files: readonly string[]): AsyncGenerator<string> {
  for (const file of files) yield* wholeWords(readTextPieces(file));
}

function describe(progress: BpeTrainerProgress): string {
  if ("characters" in progress) return `counting words: ${formatCount(progress.characters)} characters`;
  return `learning merges: ${progress.merges} of ${progress.of}`;
}

/** Passes on what comes, but not more often than twice in a second. */
function throttled<T>(act: (value: T) => void): (value: T) => void {
  let last = 0;
  return (value) => {
    if (performance.now() - last < 500) return;
    last = performance.now();
    act(value);
  };
}
