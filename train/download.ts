import { WeftError } from "../engine/weft_error.ts";
import { removeIfThere, writeAll } from "./files.ts";
import { hashFile, Sha256 } from "./sha256.ts";

/** How a file is downloaded. */
export interface DownloadOptions {
  /** What its bytes must hash to, in hexadecimal. Default: anything. */
  readonly sha256?: string;
  /** How many bytes it must have. Default: as many as the server says. */
  readonly size?: number;
  /** Is called as bytes arrive. */
  readonly onProgress?: (progress: DownloadProgress) => void;
  /** Ends the download; what has arrived is kept for the next one. */
  readonly signal?: AbortSignal;
  /** After how many milliseconds without a byte a connection counts as broken. Default: 20,000. */
  readonly timeout?: number;
  /** Milliseconds before the first retry; each further one waits twice as long. Default: 1,000. */
  readonly retryDelay?: number;
}

/** How far a download is. */
export interface DownloadProgress {
  /** What is being done: bytes are read from the disk to check them, or arrive from the network. */
  readonly phase: "checking" | "downloading";
  /** Bytes that are there. */
  readonly bytes: number;
  /** Bytes of the whole file, where that is known. */
  readonly total?: number;
}

/** A download as far as it is on the disk: `PATH.part`. */
interface Part {
  readonly path: string;
  readonly file: Deno.FsFile;
  length: number;
  hash: Sha256;
  /** What tells this version of the file from others: a strong ETag, or the date of its last change. */
  validator?: string;
  /** From how many connections it is put together. */
  connections: number;
}

/** Retries of a connection that breaks without having brought a byte, and of one that was never made. */
const maxRetries = 5, maxRetriesOffline = 2;

/**
 * Downloads a file, unless it is there already. Bytes go to `PATH.part`, which is renamed to `PATH` when it is whole
 * and right, so that `PATH` is never half a file. A download that was stopped or cut off goes on where it ended, by a
 * request for the rest (RFC 9110, sections 13.1.5 and 14) under the condition that the file is still the same; where
 * the server knows no ranges or has another file now, it begins anew.
 *
 * @throws {WeftError} when the file cannot be had or written, or is not what it must be.
 */
export async function downloadFile(url: string, path: string, options: DownloadOptions = {}): Promise<void> {
  try {
    if (await isThere(path, options)) return;
    await Deno.mkdir(path.replace(/[^/]*$/, "") || ".", { recursive: true });
    using file = await Deno.open(`${path}.part`, { read: true, write: true, create: true });
    if (!await file.tryLock(true)) throw new WeftError(`${path}.part is being written by another download`);
    const part: Part = { path: `${path}.part`, file, length: 0, hash: new Sha256(), connections: 0 };
    await takeUp(part, url, options);
    await downloadAndCheck(part, url, options);
    await file.sync();
    await Deno.rename(part.path, path);
    await removeIfThere(`${part.path}.info`);
  } catch (error) {
    if (error instanceof WeftError || options.signal?.aborted) throw error;
    const { message, code } = error as Error & { code?: string };
    if (code === "ENOSPC") {
      throw new WeftError(`The disk is full: ${path} is kept as far as it came; make room and start again`);
    }
    throw new WeftError(`${path} cannot be written: ${message}`);
  }
}

/** Whether the file is there and what it must be. */
async function isThere(path: string, options: DownloadOptions): Promise<boolean> {
  const info = await Deno.stat(path).catch(() => undefined);
  if (info === undefined) return false;
  if (info.isDirectory) throw new WeftError(`${path} is a directory: a file of that name is to be written`);
  if (options.size !== undefined && info.size !== options.size) return false;
  if (options.sha256 === undefined) return true;
  using file = await Deno.open(path);
  return (await checkFile(file, info.size, options)).hex() === options.sha256;
}

async function checkFile(file: Deno.FsFile, total: number, options: DownloadOptions): Promise<Sha256> {
  return await hashFile(file, (bytes) => {
    options.onProgress?.({ phase: "checking", bytes, total });
    options.signal?.throwIfAborted();
  });
}

/** Takes over what an earlier download left, if it came from the same place and its version is known. */
async function takeUp(part: Part, url: string, options: DownloadOptions): Promise<void> {
  const { size } = await part.file.stat();
  if (size === 0) return;
  const note = await Deno.readTextFile(`${part.path}.info`).then(JSON.parse).catch(() => undefined);
  // without a validator only the hash can tell whether the rest fits
  if (note?.url !== url || !(note.validator ?? options.sha256)) return await startAnew(part);
  part.hash = await checkFile(part.file, size, options);
  part.length = size;
  part.validator = note.validator;
  part.connections = 1;
}

async function startAnew(part: Part): Promise<void> {
  await part.file.truncate(0);
  await part.file.seek(0, Deno.SeekMode.Start);
  Object.assign(part, { length: 0, hash: new Sha256(), validator: undefined, connections: 0 });
}

async function downloadAndCheck(part: Part, url: string, options: DownloadOptions): Promise<void> {
  while (true) {
    await downloadRest(part, url, options);
    const hash = part.hash.hex();
    if (options.sha256 === undefined || hash === options.sha256) return;
    const { length, connections } = part;
    await startAnew(part);
    if (connections > 1) continue; // the pieces may be of different versions
    await Deno.remove(part.path);
    await removeIfThere(`${part.path}.info`);
    throw new WeftError(`${url} sent ${length} bytes with SHA-256 ${hash} instead of ${options.sha256}`);
  }
}

/** Brings the part to its full length, over as many connections as it takes. */
async function downloadRest(part: Part, url: string, options: DownloadOptions): Promise<void> {
  const { signal, retryDelay = 1000 } = options;
  let failures = 0, connected = false;
  while (true) {
    const before = part.length;
    try {
      return await connect(part, url, options, () => connected = true);
    } catch (error) {
      if (!(error instanceof Interruption)) throw error;
      failures = part.length > before ? 1 : failures + 1;
      if (failures > (connected ? maxRetries : maxRetriesOffline)) {
        throw new WeftError(
          connected
            ? `${url} breaks off again and again (${error.message}): ${part.length} bytes of it are kept in ` +
              `${part.path}; start again to go on`
            : `${url} cannot be reached: ${error.message}; is there a network?`,
        );
      }
      await delay(retryDelay * 2 ** (failures - 1), signal);
    }
  }
}

/** A connection that broke or a server that is out of order: worth another try. */
class Interruption extends Error {}

/** Asks once for what is missing and adds what arrives to the part. */
async function connect(part: Part, url: string, options: DownloadOptions, connected: () => void): Promise<void> {
  const { signal, timeout = 20_000 } = options;
  const silence = new AbortController();
  const ring = () => silence.abort(new Error(`nothing came for ${timeout / 1000} s`));
  let timer = setTimeout(ring, timeout);
  try {
    const response = await request(part, url, AbortSignal.any([silence.signal, ...signal ? [signal] : []]));
    connected();
    const rest = await checkAnswer(part, url, response, options);
    if (rest === undefined) return;
    const { body, total } = rest;
    while (true) {
      clearTimeout(timer);
      timer = setTimeout(ring, timeout);
      const { value, done } = await body.read().catch((error) => {
        throw new Interruption(reasonOf(error));
      });
      if (done) break;
      await writeAll(part.file, value);
      part.hash.update(value);
      part.length += value.length;
      options.onProgress?.({ phase: "downloading", bytes: part.length, total });
    }
    if (total !== undefined && part.length !== total) {
      if (part.length > total) await startAnew(part);
      throw new Interruption(`the connection ended after ${part.length} of ${total} bytes`);
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    clearTimeout(timer);
    silence.abort(); // lets go of a body that was not read to its end
  }
}

async function request(part: Part, url: string, signal: AbortSignal): Promise<Response> {
  const headers = new Headers({ "accept-encoding": "identity" }); // a range is one of the bytes of the file
  if (part.length > 0) {
    headers.set("range", `bytes=${part.length}-`);
    if (part.validator !== undefined) headers.set("if-range", part.validator);
  }
  try {
    return await fetch(url, { headers, signal });
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) {
      throw new WeftError(`${url} may not be downloaded: Deno was not given the permission, ${reasonOf(error)}`);
    }
    throw new Interruption(reasonOf(error));
  }
}

/** The body that carries the rest of the file, or undefined where nothing is missing. */
async function checkAnswer(
  part: Part,
  url: string,
  response: Response,
  options: DownloadOptions,
): Promise<{ body: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>; total?: number } | undefined> {
  const { status, statusText, headers } = response;
  const [, start, whole] = /^bytes (?:(\d+)-\d+|\*)\/(\d+)$/.exec(headers.get("content-range") ?? "") ?? [];
  if (status === 416 && Number(whole) === part.length) return undefined; // it had ended before it was renamed
  const etag = headers.get("etag")?.match(/^".*"$/)?.[0]; // a weak one may name several versions
  const isOther = etag !== undefined && part.validator?.startsWith('"') && etag !== part.validator;
  if (status === 416 || status === 206 && (Number(start) !== part.length || isOther)) {
    await startAnew(part);
    throw new Interruption(`the server has not the rest from ${part.length} on`);
  }
  if (status === 408 || status === 425 || status === 429 || status >= 500) {
    throw new Interruption(`it answers ${status} ${statusText}`);
  }
  if (status !== 200 && status !== 206) throw new WeftError(`${url} answers ${status} ${statusText}`);
  const length = headers.get("content-encoding") === null ? headers.get("content-length") : null;
  const total = status === 206 ? whole && Number(whole) : length && Number(length);
  if (options.size !== undefined && typeof total === "number" && total !== options.size) {
    throw new WeftError(`${url} has ${total} bytes instead of ${options.size}: it is another file`);
  }
  if (status === 200) {
    if (part.length > 0) await startAnew(part);
    part.validator = etag ?? headers.get("last-modified") ?? undefined;
    await Deno.writeTextFile(`${part.path}.info`, JSON.stringify({ url, validator: part.validator }));
  }
  part.connections++;
  return { body: response.body!.getReader(), total: total === null || total === "" ? undefined : total };
}

function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  return (cause instanceof Error ? `${message}: ${cause.message}` : message).replaceAll(/\s*\n\s*/g, " ");
}

function delay(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", stop, { once: true });
    if (signal?.aborted) stop();
  });
}
