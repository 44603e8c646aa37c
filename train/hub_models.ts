import { WeftError } from "../engine/weft_error.ts";
import { downloadFile, type DownloadProgress } from "./download.ts";

/** GPT-2's four sizes (Radford et al. 2019) by name, and the repositories of huggingface.co that hold them. */
export const hubModels: Readonly<Record<string, string>> = {
  "gpt2": "openai-community/gpt2",
  "gpt2-medium": "openai-community/gpt2-medium",
  "gpt2-large": "openai-community/gpt2-large",
  "gpt2-xl": "openai-community/gpt2-xl",
};

/** A file of a repository. */
export interface HubFile {
  /** Its name. */
  readonly path: string;
  /** Its bytes. */
  readonly size: number;
  /** SHA-256 of its bytes, where the hub stores it apart; so all that are large. */
  readonly sha256?: string;
  /** Git's name for its contents: SHA-1 of `blob SIZE\0` and its bytes. */
  readonly blob: string;
}

/** One revision of a repository: what is needed of it. */
export interface HubListing {
  /** Its name, `OWNER/NAME`. */
  readonly repository: string;
  /** Git's name of the commit. */
  readonly revision: string;
  /** The files of a model and its tokenizer. */
  readonly files: readonly HubFile[];
}

/** How a model is downloaded. */
export interface HubOptions {
  /** Where the hub is. Default: `https://huggingface.co`. */
  readonly endpoint?: string;
  /** Is told of each file that is complete, and how far it is before. */
  readonly onProgress?: (file: HubFile, progress: DownloadProgress | "complete") => void;
  /** See `downloadFile`. */
  readonly retryDelay?: number;
}

const listingFile = "download.json";
const wanted =
  /^((config|generation_config|tokenizer|vocab)\.json|merges\.txt|model(-\d{5}-of-\d{5})?\.safetensors|model\.safetensors\.index\.json)$/;

/**
 * Downloads a model of the hub into a folder, in Hugging Face's layout: what is there already and whole is left, what was
 * interrupted goes on, and every file is compared with its hash. The revision is that of the first try, so that files of
 * different ones never mix; `download.json` in the folder names it.
 *
 * @throws {WeftError} when the hub cannot be reached, has no such model or no safetensors of it, or sends something else.
 */
export async function downloadModel(repository: string, folder: string, options: HubOptions = {}): Promise<HubListing> {
  const { endpoint = "https://huggingface.co", onProgress, retryDelay } = options;
  let listing = await readListing(folder, repository);
  if (listing === undefined) {
    listing = await fetchListing(repository, endpoint);
    try {
      await Deno.mkdir(folder, { recursive: true });
      await Deno.writeTextFile(`${folder}/${listingFile}`, JSON.stringify(listing, null, 2) + "\n");
    } catch (error) {
      throw new WeftError(`${folder} cannot be written: ${(error as Error).message}`);
    }
  }
  for (const file of listing.files) {
    const path = `${folder}/${file.path}`, url = `${endpoint}/${repository}/resolve/${listing.revision}/${file.path}`;
    const { size, sha256 } = file;
    await downloadFile(url, path, { size, sha256, retryDelay, onProgress: (progress) => onProgress?.(file, progress) });
    if (sha256 === undefined && await blobName(path) !== file.blob) {
      await Deno.remove(path);
      throw new WeftError(`${url} is not the file that the hub lists: start again`);
    }
    onProgress?.(file, "complete");
  }
  return listing;
}

/** What the folder was begun with, if that is whole. */
async function readListing(folder: string, repository: string): Promise<HubListing | undefined> {
  try {
    const listing = JSON.parse(await Deno.readTextFile(`${folder}/${listingFile}`));
    const files = checkFiles(listing.files);
    return listing.repository === repository && isHash(listing.revision, 40) ? { ...listing, files } : undefined;
  } catch {
    return undefined; // asked for anew
  }
}

async function fetchListing(repository: string, endpoint: string): Promise<HubListing> {
  const api = `${endpoint}/api/models/${repository}`;
  const { sha: revision } = await fetchJson(`${api}/revision/main`, repository) as { sha?: unknown };
  if (!isHash(revision, 40)) throw new WeftError(`${api} is no answer of the hub: it names no revision`);
  const tree = await fetchJson(`${api}/tree/${revision}`, repository);
  if (!Array.isArray(tree)) throw new WeftError(`${api} is no answer of the hub: it lists no files`);
  const entries = tree.filter(({ type, path }) => type === "file" && wanted.test(path));
  const files = checkFiles(entries.map(({ path, size, oid, lfs }) => ({ path, size, blob: oid, sha256: lfs?.oid })));
  for (const [what, name] of [["config.json", /^config\.json$/], ["safetensors", /\.safetensors$/]] as const) {
    if (!files.some(({ path }) => name.test(path))) {
      throw new WeftError(`${repository} has no ${what}: Weft cannot read it`);
    }
  }
  return { repository, revision, files };
}

/** Whether a list is one of files with sizes and hashes, under names that are wanted. */
function checkFiles(files: unknown): HubFile[] {
  for (const { path, size, sha256, blob } of files as Record<string, unknown>[]) {
    const good = typeof path === "string" && wanted.test(path) && Number.isSafeInteger(size) && size as number >= 0 &&
      isHash(blob, 40) && (sha256 === undefined || isHash(sha256, 64));
    if (!good) throw new WeftError(`The hub lists ${JSON.stringify(path)} with a wrong size or hash`);
  }
  return files as HubFile[];
}

async function fetchJson(url: string, repository: string): Promise<unknown> {
  let response: Response;
  try {
    response = await fetch(url, { signal: AbortSignal.timeout(20_000) });
  } catch (error) {
    const reason = (error as Error).message.split("\n")[0];
    throw new WeftError(
      error instanceof Deno.errors.NotCapable
        ? `${url} may not be asked for: Deno was not given the permission, ${reason}`
        : `${url} cannot be reached: ${reason}; is there a network?`,
    );
  }
  const text = await response.text().catch(() => "");
  if ([401, 403, 404].includes(response.status)) {
    throw new WeftError(`The hub has no open repository ${repository}: ${url} answers ${response.status}`);
  }
  if (!response.ok) throw new WeftError(`${url} answers ${response.status} ${response.statusText}`);
  try {
    return JSON.parse(text) ?? {};
  } catch {
    throw new WeftError(`${url} is no answer of the hub: it is not JSON`);
  }
}

async function blobName(path: string): Promise<string> {
  const bytes = await Deno.readFile(path), head = new TextEncoder().encode(`blob ${bytes.length}\0`);
  const whole = new Uint8Array(head.length + bytes.length);
  whole.set(head);
  whole.set(bytes, head.length);
  return new Uint8Array(await crypto.subtle.digest("SHA-1", whole)).toHex();
}

function isHash(value: unknown, digits: number): value is string {
  return typeof value === "string" && value.length === digits && /^[0-9a-f]+$/.test(value);
}
