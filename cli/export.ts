import { WeftError } from "../engine/weft_error.ts";
import type { ExportFiles } from "../model/export_files.ts";
import { exportGguf } from "../model/export_gguf.ts";
import { exportHuggingFace } from "../model/export_hugging_face.ts";
import { exportNanoGpt } from "../model/export_nanogpt.ts";
import { exportOnnx } from "../model/export_onnx.ts";
import type { StoredType } from "../model/export_tensor.ts";
import { Gpt } from "../model/gpt.ts";
import type { Tokenizer } from "../model/tokenizer.ts";
import { findDirectory } from "../train/atomic_directory.ts";
import { loadTrainerState } from "../train/checkpoint.ts";
import { describeOptions, type OptionValues, resolveOptions } from "../train/options.ts";
import { parseCommandLine } from "./command_line.ts";
import { formatCount } from "./format.ts";
import { openGpu } from "./open_gpu.ts";
import { openTrained } from "./open_trained.ts";
import { runCommand } from "./run_command.ts";
import { writeExportFile, writeExportFolder } from "./write_export.ts";

const formats = ["safetensors", "gguf", "onnx", "nanogpt"] as const;

const options = {
  out_dir: {
    type: "string",
    default: "out",
    help: "folder of a run; its `best` checkpoint is taken, else `last`, else what lies in it itself",
  },
  to: { type: "string", choices: formats, help: "format" },
  output: { type: "string", default: "", help: "what to write: a folder, for gguf a file" },
  dtype: { type: "string", choices: ["f32", "f16", "bf16"], default: "f32", help: "how weights are stored" },
  external_data: {
    type: "bool",
    default: false,
    help: "onnx: weights in a file of their own, as is done above 1.9 GB in any case",
  },
  overwrite: { type: "bool", default: false, help: "write over an export of that name" },
} as const;

const help = `Writes a trained model in a format of other programs.

  deno task export --out_dir=out --to=gguf --output=model.gguf [--dtype=f16]

  safetensors  a folder that Hugging Face's transformers opens as GPT2LMHeadModel
  gguf         a file for llama.cpp
  onnx         a folder with model.onnx: input_ids (batch, sequence) → logits (batch, sequence, vocabulary)
  nanogpt      a folder with ckpt.pt, which nanoGPT's sample.py loads

${describeOptions(options)}`;

/**
 * `deno task export`.
 *
 * @throws {WeftError} when there is no checkpoint, the format cannot express the model, or the output is there already.
 */
export async function exportCommand(args: string[], print = console.log): Promise<void> {
  const { flags, help: wantsHelp } = parseCommandLine(args, { options });
  if (wantsHelp) return print(help);
  const values = resolveOptions(options, [{ source: "command line", values: flags }]);
  if (values.to === undefined) throw new WeftError(`--to is missing: name the format, one of ${formats.join(", ")}`);
  if (values.output === "") throw new WeftError("--output is missing: name what to write");
  const output = values.output.replace(/(?<=.)\/+$/, "");
  if (!values.overwrite && await findDirectory(output) !== undefined) {
    throw new WeftError(`${output} exists: write to another place, or over it with --overwrite=true`);
  }
  using gpu = await openGpu("");
  const { model, tokenizer, path } = await openTrained(gpu, values.out_dir);
  if (!(model instanceof Gpt)) throw new WeftError(`${path} is not a GPT: no format here can express its model`);
  const files = await makeFiles(model, tokenizer, values, { output, path });
  const bytes = values.to === "gguf"
    ? await writeExportFile(output, files[output]())
    : await writeExportFolder(output, files);
  print(`${values.to === "gguf" ? "" : `${output}: `}${Object.keys(files).join(", ")}, ${formatCount(bytes)}B`);
  if (values.to === "nanogpt") notesOfNanoGpt(model, files, output).forEach((note) => print(note));
}

async function makeFiles(
  model: Gpt,
  tokenizer: Tokenizer,
  { to, dtype, external_data }: OptionValues<typeof options>,
  { output, path }: { readonly output: string; readonly path: string },
): Promise<ExportFiles> {
  const stored = dtype as StoredType;
  if (to === "gguf") return exportGguf(model, tokenizer, output, stored);
  if (to === "onnx") return exportOnnx(model, tokenizer, { dtype: stored, externalData: external_data || undefined });
  if (to === "nanogpt") {
    const isOfRun = await findDirectory(`${path}/trainer_state.json`) !== undefined;
    const { step, best_validation: bestValidation } = isOfRun ? await loadTrainerState(path) : { step: 0 };
    return exportNanoGpt(model, tokenizer, { dtype: stored, dataset: nameOf(output), step, bestValidation });
  }
  return exportHuggingFace(model, tokenizer, stored);
}

/** What nanoGPT does not do by itself. */
function notesOfNanoGpt(model: Gpt, files: ExportFiles, output: string): string[] {
  const notes: string[] = [];
  if ("meta.pkl" in files) {
    notes.push(`sample.py looks for meta.pkl in nanoGPT's data/${nameOf(output)}/: copy it there`);
  }
  if (model.config.activation !== "gelu_erf") {
    notes.push("nanoGPT computes GELU by erf and this model by tanh: its logits differ a little");
  }
  return notes;
}

function nameOf(path: string): string {
  return path.replace(/^.*\//, "");
}

if (import.meta.main) await runCommand(exportCommand);
