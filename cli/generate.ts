import { describeOptions, resolveOptions } from "../train/options.ts";
import { readTextFile } from "../train/text_file.ts";
import { WeftError } from "../engine/weft_error.ts";
import { generateTexts, tokenLogProbs } from "../model/generate_text.ts";
import { parseCommandLine } from "./command_line.ts";
import { openGpu } from "./open_gpu.ts";
import { openTrained } from "./open_trained.ts";
import { runCommand } from "./run_command.ts";
import { parseStops, samplingFlags, samplingOf } from "./sampling_flags.ts";

const options = {
  out_dir: {
    type: "string",
    default: "out",
    help: "folder of a run; its `best` checkpoint is taken, else `last`",
  },
  start: { type: "string", default: "\n", help: "text to continue, or FILE:path" },
  num_samples: { type: "int", default: 1, min: 1, help: "how many texts" },
  max_new_tokens: { type: "int", default: 500, min: 1, help: "length of each" },
  ...samplingFlags,
  seed: { type: "int", default: 1337, min: 0, help: "of the draws; each sample adds one" },
  stop: { type: "string", default: "", help: "text that ends a sample and is not written, or a JSON list of several" },
  stop_at_end_of_text: { type: "bool", default: true, help: "end a sample where a document ends" },
  context: {
    type: "string",
    choices: ["crop", "slide"],
    default: "crop",
    help: "past block_size: the last block_size tokens, exactly, or half of them anew when full, fast",
  },
  log_probs: { type: "bool", default: false, help: "list each token with its log-probability instead of text" },
  shaders: {
    type: "string",
    default: "",
    help: "folder of .wgsl files that take the place of the built-in ones",
  },
} as const;

const help = `Writes text with a trained model.

  deno task generate --out_dir=out [--start="Once upon"] [--key=value …]

${describeOptions(options)}`;

/** `deno task generate`. */
export async function generateCommand(args: string[]): Promise<void> {
  const { flags, help: wantsHelp } = parseCommandLine(args, { options });
  if (wantsHelp) return console.log(help);
  const values = resolveOptions(options, [{ source: "command line", values: flags }]);
  const file = /^FILE:(.*)$/s.exec(values.start)?.[1];
  const start = file === undefined ? values.start : await readTextFile(file);
  if (start === "") throw new WeftError("--start is empty: give at least one character to continue");
  const stop = parseStops(values.stop);
  using gpu = await openGpu(values.shaders);
  const { model, tokenizer } = await openTrained(gpu, values.out_dir);
  const encoder = new TextEncoder(), write = (text: string) => Deno.stdout.writeSync(encoder.encode(text));
  for (let i = 0; i < values.num_samples; i++) {
    const pieces = generateTexts(model, tokenizer, [start], {
      ...samplingOf(values),
      maxNewTokens: values.max_new_tokens,
      seed: values.seed + i,
      stop,
      stopAtEndOfText: values.stop_at_end_of_text,
      context: values.context,
    });
    if (values.log_probs) {
      const ids = tokenizer.encode(start), known = ids.length > 1 ? await tokenLogProbs(model, ids) : [];
      known.forEach((logProb, at) =>
        write(tokenLine(logProb, tokenizer.decode([ids[at + ids.length - known.length]])))
      );
    } else write(start);
    for await (const { text, id, logProb } of pieces) {
      write(values.log_probs ? tokenLine(logProb, tokenizer.decode([id])) : text);
    }
    write("\n---------------\n");
  }
}

function tokenLine(logProb: number, token: string): string {
  return `${logProb.toFixed(4).padStart(9)}  ${JSON.stringify(token)}\n`;
}

if (import.meta.main) await runCommand(generateCommand);
