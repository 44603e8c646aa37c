import { WeftError } from "../engine/weft_error.ts";
import { BpeTokenizer } from "../model/bpe_tokenizer.ts";
import { type Tokenizer, tokenizerFromJSON } from "../model/tokenizer.ts";

/**
 * Reads a tokenizer: a file such as `tokenizer.json`, or a folder that holds one, as a checkpoint does, or GPT-2's own
 * `encoder.json` and `vocab.bpe`, which Hugging Face calls `vocab.json` and `merges.txt`.
 *
 * @throws {WeftError} when there is none, or it is none that Weft knows.
 */
export async function loadTokenizer(path: string): Promise<Tokenizer> {
  if (!await isDirectory(path)) return await parse(path);
  if (await exists(`${path}/tokenizer.json`)) return await parse(`${path}/tokenizer.json`);
  for (const [vocab, merges] of [["encoder.json", "vocab.bpe"], ["vocab.json", "merges.txt"]]) {
    if (!await exists(`${path}/${vocab}`) || !await exists(`${path}/${merges}`)) continue;
    const encoder = parseJson(`${path}/${vocab}`, await readText(`${path}/${vocab}`)) as Record<string, number>;
    return BpeTokenizer.fromGpt2(encoder, await readText(`${path}/${merges}`));
  }
  throw new WeftError(
    `${path} holds no tokenizer: neither tokenizer.json, nor encoder.json and vocab.bpe, nor vocab.json and merges.txt`,
  );
}

/**
 * Writes a tokenizer as a file, beside what is there and then in its place, so that a file of that name is always whole.
 *
 * @throws {WeftError} when it cannot be written, and when there is a file already and `overwrite` is not set.
 */
export async function saveTokenizer(
  path: string,
  tokenizer: Tokenizer,
  { overwrite = false }: { readonly overwrite?: boolean } = {},
): Promise<void> {
  if (!overwrite) await refuseToOverwrite(path);
  const fresh = `${path}.new`;
  try {
    const folder = path.replace(/[^/]*$/, "");
    if (folder !== "") await Deno.mkdir(folder, { recursive: true });
    await Deno.writeTextFile(fresh, JSON.stringify(tokenizer) + "\n");
    await Deno.rename(fresh, path);
  } catch (error) {
    await Deno.remove(fresh).catch(() => {}); // the first error is the one to tell
    throw new WeftError(`${path} cannot be written: ${(error as Error).message}`);
  }
}

/** Throws a `WeftError` where there is something of that name. */
export async function refuseToOverwrite(path: string): Promise<void> {
  if (await exists(path)) {
    throw new WeftError(`${path} exists: write to another file, or over it with --overwrite=true`);
  }
}

async function parse(path: string): Promise<Tokenizer> {
  const text = await readText(path);
  try {
    return tokenizerFromJSON(parseJson(path, text));
  } catch (error) {
    if (error instanceof WeftError) error.message = `${path}: ${error.message}`;
    throw error;
  }
}

function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new WeftError(`${path} is not JSON: ${(error as Error).message}`);
  }
}

async function readText(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new WeftError(`${path} does not exist: give a tokenizer.json`);
    throw new WeftError(`${path} cannot be read: ${(error as Error).message}`);
  }
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

async function isDirectory(path: string): Promise<boolean> {
  return await Deno.stat(path).then((info) => info.isDirectory, () => false);
}
