import { corpora, type Corpus, type CorpusFile } from "../train/corpora.ts";
import { downloadFile } from "../train/download.ts";
import { nearestName } from "../train/nearest_name.ts";
import { describeOptions, resolveOptions } from "../train/options.ts";
import { WeftError } from "../engine/weft_error.ts";
import { parseCommandLine } from "./command_line.ts";
import { showDownload } from "./download_progress.ts";
import { formatCount } from "./format.ts";
import { Progress } from "./progress.ts";

const options = {
  out_dir: { type: "string", default: "data", help: "folder that gets a folder of the corpus's name" },
  files: { type: "int", min: 1, help: "only the first files of the corpus; all without it" },
} as const;

/** What `dataGet` takes from elsewhere in tests. */
export interface DataGetOptions {
  /** The corpora there are. Default: `corpora`. */
  readonly corpora?: Readonly<Record<string, Corpus>>;
  /** Receives what is printed. Default: a progress on standard output. */
  readonly progress?: Progress;
}

/**
 * `deno task data get NAME`: downloads a corpus into `OUT_DIR/NAME/`, checked, and going on where an earlier try
 * stopped. Without a name it lists the corpora.
 *
 * @throws {WeftError} at a name that is not known, and when a file cannot be had or kept.
 */
export async function dataGet(
  args: string[],
  { corpora: table = corpora, progress = new Progress() }: DataGetOptions = {},
): Promise<void> {
  const { words, flags, help } = parseCommandLine(args, { words: 1, options });
  if (help || words.length === 0) return progress.print(help ? helpText(table) : list(table));
  const values = resolveOptions(options, [{ source: "command line", values: flags }]);
  const [name] = words;
  if (!Object.hasOwn(table, name)) {
    const near = nearestName(name, Object.keys(table));
    throw new WeftError(
      `${name} is no corpus${near ? `; did you mean ${near}?` : ""}: there are ${Object.keys(table).join(", ")}`,
    );
  }
  const corpus = table[name], files = corpus.files.slice(0, values.files);
  progress.print(`${name}: ${corpus.about}`);
  progress.print(`licence: ${corpus.licence} (${corpus.home})`);
  progress.print(`size: ${sizeOf(files)}`);
  for (const file of files) {
    const path = `${values.out_dir}/${name}/${file.name}`;
    await downloadFile(file.url, path, {
      size: file.bytes,
      sha256: file.sha256,
      onProgress: showDownload(progress, file.name),
    });
    progress.print(`${path}: ${formatCount((await Deno.stat(path)).size)}B, ${file.sha256 ? "checked" : "complete"}`);
  }
  progress.print(describeReading(corpus));
}

function helpText(table: Readonly<Record<string, Corpus>>): string {
  return `Downloads a public corpus. What was interrupted goes on where it stopped.

  deno task data get NAME [--key=value …]

${describeOptions(options)}

${list(table)}`;
}

function list(table: Readonly<Record<string, Corpus>>): string {
  const width = Math.max(...Object.keys(table).map((name) => name.length)) + 2;
  return "Corpora, to be had with `deno task data get NAME`:\n\n" +
    Object.entries(table).map(([name, { about, licence, files }]) =>
      [`  ${name.padEnd(width)}${about}`, sizeOf(files), `licence: ${licence}`].join(`\n  ${" ".repeat(width)}`)
    ).join("\n");
}

function sizeOf(files: readonly CorpusFile[]): string {
  const count = files.length === 1 ? "1 file" : `${files.length} files`;
  const bytes = files.reduce((sum, file) => sum + (file.bytes ?? NaN), 0);
  return `${count}, ${Number.isNaN(bytes) ? "length as the server says" : `${formatCount(bytes)}B`}`;
}

function describeReading({ format, textField, documentSeparator }: Corpus): string {
  const separated = documentSeparator === undefined ? "a file is one document" : `separated by ${documentSeparator}`;
  return format === "text" ? `documents: plain text, ${separated}` : `documents: ${format}, field ${textField}`;
}
