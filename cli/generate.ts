import { loadCheckpoint } from "../train/checkpoint.ts";
import { StreamingDecoder } from "../model/streaming_decoder.ts";
import { findDirectory } from "../train/atomic_directory.ts";
import { readTextFile } from "../train/text_file.ts";
import { describeOptions, resolveOptions } from "../train/options.ts";
import { WeftError } from "../engine/weft_error.ts";
import { generate } from "../model/generate.ts";
import { parseCommandLine } from "./command_line.ts";
import { openGpu } from "./open_gpu.ts";
import { runCommand } from "./run_command.ts";

const options = {
  out_dir: {
    type: "string",
    default: "out",
    help: "folder of a run; its `best` checkpoint is taken, else `last`",
  },
  start: { type: "string", default: "\n", help: "text to continue, or FILE:path" },
  num_samples: { type: "int", default: 1, min: 1, help: "how many texts" },
  max_new_tokens: { type: "int", default: 500, min: 1, help: "length of each" },
  temperature: {
    type: "real",
    default: 0.8,
    min: 0,
    help: "below 1 is more predictable; 0 takes the likeliest",
  },
  top_k: { type: "int", default: 200, min: 1, help: "only the k likeliest tokens are drawn" },
  seed: { type: "int", default: 1337, min: 0, help: "of the draws; each sample adds one" },
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
  const directory = await findDirectory(`${values.out_dir}/best`) ? "best" : "last";
  if (await findDirectory(`${values.out_dir}/${directory}`) === undefined) {
    throw new WeftError(
      `${values.out_dir} holds no checkpoint: train one with \`deno task train --out_dir=${values.out_dir}\``,
    );
  }
  using gpu = await openGpu(values.shaders);
  const { model, tokenizer } = await loadCheckpoint(gpu, `${values.out_dir}/${directory}`);
  const file = /^FILE:(.*)$/s.exec(values.start)?.[1];
  const start = file === undefined ? values.start : await readTextFile(file);
  if (start === "") throw new WeftError("--start is empty: give at least one character to continue");
  const prompt = tokenizer.encode(start);
  const encoder = new TextEncoder();
  for (let i = 0; i < values.num_samples; i++) {
    const tokens = generate(model, prompt, {
      maxNewTokens: values.max_new_tokens,
      temperature: values.temperature,
      topK: values.top_k,
      seed: values.seed + i,
    });
    Deno.stdout.writeSync(encoder.encode(start));
    const decoder = new StreamingDecoder(tokenizer);
    for await (const id of tokens) Deno.stdout.writeSync(encoder.encode(decoder.push(id)));
    Deno.stdout.writeSync(encoder.encode(`${decoder.end()}\n---------------\n`));
  }
}

if (import.meta.main) await runCommand(generateCommand);
