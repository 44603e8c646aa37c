import { WeftError } from "../engine/weft_error.ts";
import { corpora } from "./corpora.ts";
import { readTextFile } from "./text_file.ts";

/** Tiny Shakespeare: 1,115,394 characters of 65 kinds. */
const tinyShakespeare = corpora.shakespeare.files[0];

/** How a text is found. */
export interface CorpusOptions {
  /** Folder of downloaded texts. */
  readonly cacheDir: string;
  /** Receives one line about what is done. */
  readonly log: (line: string) => void;
  /** Where Tiny Shakespeare is downloaded from. Default: its home. */
  readonly url?: string;
  /** What the download must hash to. Default: Tiny Shakespeare's SHA-256. */
  readonly sha256?: string;
}

/**
 * The text to train on. A path is read; `shakespeare` is Tiny Shakespeare, from the cache, else downloaded and checked;
 * with "" that too, and where it cannot be had, the text that every Deno carries: the declarations of its own types.
 *
 * @throws {WeftError} when a text that was asked for cannot be had.
 */
export async function loadCorpus(
  dataset: string,
  options: CorpusOptions,
): Promise<{ text: string; name: string }> {
  if (dataset !== "" && dataset !== "shakespeare") {
    return { text: await readTextFile(dataset), name: dataset };
  }
  const cached = `${options.cacheDir}/${tinyShakespeare.name}`;
  const name = "Tiny Shakespeare", expected = options.sha256 ?? tinyShakespeare.sha256!;
  const stored = await Deno.readFile(cached).catch(() => undefined);
  if (stored && await sha256(stored) === expected) {
    return { text: new TextDecoder().decode(stored), name };
  }
  try {
    options.log(`downloading ${name} to ${cached}`);
    const bytes = await download(options.url ?? tinyShakespeare.url, expected);
    await store(cached, bytes).catch((error) => options.log(`it cannot be kept in ${cached}: ${error.message}`));
    return { text: new TextDecoder().decode(bytes), name };
  } catch (error) {
    const { message, cause } = error as Error;
    const reason = (cause instanceof Error ? `${message}: ${cause.message}` : message).replaceAll(/\s*\n\s*/g, " ");
    if (dataset === "shakespeare") {
      throw new WeftError(`${name} cannot be had: ${reason}; give a text file with --dataset=PATH`);
    }
    options.log(`${name} cannot be had (${reason}): training on the text that Deno carries, \`deno types\``);
    return { text: await denoTypes(), name: "deno types" };
  }
}

async function store(path: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  await Deno.mkdir(path.replace(/[^/]*$/, ""), { recursive: true });
  await Deno.writeFile(`${path}.new`, bytes);
  await Deno.rename(`${path}.new`, path);
}

async function download(url: string, expected: string): Promise<Uint8Array<ArrayBuffer>> {
  // A network that swallows packets is found out soon; a slow one may take its time over the text.
  const silent = new AbortController();
  const timer = setTimeout(() => silent.abort(new Error(`${url} does not answer within 20 s`)), 20_000);
  const signal = AbortSignal.any([silent.signal, AbortSignal.timeout(60_000)]);
  const response = await fetch(url, { signal }).finally(() => clearTimeout(timer));
  if (!response.ok) throw new Error(`${url} answers ${response.status} ${response.statusText}`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  const hash = await sha256(bytes);
  if (hash !== expected) {
    throw new Error(
      `${url} sent ${bytes.length} bytes with SHA-256 ${hash} instead of ${expected}`,
    );
  }
  return bytes;
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

async function denoTypes(): Promise<string> {
  const { stdout, success } = await new Deno.Command("deno", { args: ["types"], env: { NO_COLOR: "1" } })
    .output();
  const text = new TextDecoder().decode(stdout);
  if (!success || text.length < 1000) {
    throw new WeftError("`deno types` gave no text; give a text file with --dataset=PATH");
  }
  return text.replaceAll(/\r\n?/g, "\n");
}
