import { WeftError } from "../engine/weft_error.ts";
import { parsePipeline, type Stage } from "../train/cleaning/pipeline.ts";
import { readTextFile } from "../train/text_file.ts";
import { readDocuments } from "./readers/read_documents.ts";
import { readYamlConfig } from "./yaml_config.ts";

/**
 * The stages of a YAML file. Where an option is a list, `FILE:path` in it stands for what the file holds: for `blocklist`
 * its lines, for `contamination` its documents. Paths are seen from where the command is given, as everywhere.
 *
 * @throws {WeftError} when the file or one that it names cannot be read, or is not a pipeline.
 */
export async function readPipelineFile(path: string): Promise<Stage[]> {
  const { pipeline, ...others } = await readYamlConfig(path);
  const strange = Object.keys(others)[0];
  if (strange !== undefined) {
    throw new WeftError(`${path}: ${strange} is not known: it holds pipeline and nothing else`);
  }
  try {
    return parsePipeline(Array.isArray(pipeline) ? await Promise.all(pipeline.map(withFiles)) : pipeline);
  } catch (error) {
    if (error instanceof WeftError) error.message = `${path}: ${error.message}`;
    throw error;
  }
}

/** A stage as it is written, with the contents of files in the place of their names. */
async function withFiles(stage: unknown): Promise<unknown> {
  if (typeof stage !== "object" || stage === null) return stage;
  const read = (stage as { stage?: unknown }).stage === "contamination" ? documentsOf : linesOf;
  const options = Object.entries(stage).map(async ([name, value]) => [name, await expand(value, read)]);
  return Object.fromEntries(await Promise.all(options));
}

type Read = (path: string) => Promise<string[]>;

async function expand(value: unknown, read: Read): Promise<unknown> {
  if (Array.isArray(value)) return (await Promise.all(value.map((item) => expand(item, read)))).flat();
  const path = typeof value === "string" ? /^FILE:(.+)$/s.exec(value)?.[1] : undefined;
  return path === undefined ? value : await read(path);
}

async function linesOf(path: string): Promise<string[]> {
  return (await readTextFile(path)).split(/\r?\n/).filter((line) => line.trim() !== "");
}

async function documentsOf(path: string): Promise<string[]> {
  return (await Array.fromAsync(readDocuments([path]))).map(({ text }) => text);
}
