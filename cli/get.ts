import { WeftError } from "../engine/weft_error.ts";
import { downloadModel, type HubFile, hubModels } from "../train/hub_models.ts";
import { nearestName } from "../train/nearest_name.ts";
import { describeOptions, resolveOptions } from "../train/options.ts";
import { parseCommandLine } from "./command_line.ts";
import { showDownload } from "./download_progress.ts";
import { formatCount } from "./format.ts";
import { Progress } from "./progress.ts";
import { runCommand } from "./run_command.ts";

const options = {
  out_dir: { type: "string", default: "models", help: "folder that gets a folder of the model's name" },
  endpoint: { type: "string", default: "https://huggingface.co", help: "where the hub is, or a mirror of it" },
} as const;

const help = `Downloads a GPT-2 from Hugging Face's hub, checked. What was interrupted goes on where it stopped.

  deno task get MODEL [--key=value …]

MODEL is ${Object.keys(hubModels).join(", ")}, or a repository, OWNER/NAME, that holds a GPT-2 as safetensors.
Then: deno task train --init_from=MODEL

${describeOptions(options)}`;

/**
 * `deno task get MODEL`: downloads a model into `OUT_DIR/MODEL/`.
 *
 * @throws {WeftError} at a name that is not known, and when a file cannot be had or kept.
 */
export async function getCommand(args: string[], progress = new Progress()): Promise<void> {
  const { words: [name], flags, help: wantsHelp } = parseCommandLine(args, { words: 1, options });
  if (wantsHelp || name === undefined) return progress.print(help);
  const { out_dir, endpoint } = resolveOptions(options, [{ source: "command line", values: flags }]);
  const isKnown = Object.hasOwn(hubModels, name);
  if (!isKnown && !/^\w[\w.-]*\/\w[\w.-]*$/.test(name)) {
    const near = nearestName(name, Object.keys(hubModels));
    throw new WeftError(
      `${name} is no model${near ? `; did you mean ${near}?` : ""}: there are ${
        Object.keys(hubModels).join(", ")
      }, and ` +
        `repositories, OWNER/NAME`,
    );
  }
  const folder = `${out_dir}/${isKnown ? name : name.split("/")[1]}`;
  const shown = new Map<HubFile, ReturnType<typeof showDownload>>();
  const { repository, revision } = await downloadModel(isKnown ? hubModels[name] : name, folder, {
    endpoint: endpoint.replace(/\/+$/, ""),
    onProgress: (file, state) => {
      if (state === "complete") return progress.print(`${folder}/${file.path}: ${formatCount(file.size)}B, checked`);
      if (!shown.has(file)) shown.set(file, showDownload(progress, file.path));
      shown.get(file)!(state);
    },
  });
  progress.print(
    `${repository} at revision ${revision}; train it with: deno task train --init_from=${isKnown ? name : folder}`,
  );
}

if (import.meta.main) await runCommand(getCommand);
