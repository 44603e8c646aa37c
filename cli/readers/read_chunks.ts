import type { ReadReport } from "./read_report.ts";
import { standardInput } from "./list_files.ts";

const chunkBytes = 1 << 20;

/** Which part of a file is read, and where its bytes are counted. */
export interface ChunkOptions {
  /** The first byte. Default: 0. */
  readonly start?: number;
  /** The byte after the last. Default: the end of the file. */
  readonly end?: number;
  /** Its `bytes` grow. Default: nobody counts. */
  readonly report?: ReadReport;
  /** Is given the bytes, which hold until it returns. */
  readonly onBytes?: (bytes: Uint8Array) => void;
}

/** The bytes of a file, or of standard input, in chunks that hold until the next is asked for. */
export async function* readChunks(path: string, options: ChunkOptions = {}): AsyncGenerator<Uint8Array> {
  const { start = 0, end = Infinity, report, onBytes } = options;
  using opened = path === standardInput ? undefined : await Deno.open(path);
  const file = opened ?? Deno.stdin;
  if (opened !== undefined && start > 0) await opened.seek(start, Deno.SeekMode.Start);
  const buffer = new Uint8Array(Math.min(chunkBytes, end - start));
  for (let left = end - start; left > 0;) {
    const count = await file.read(left < buffer.length ? buffer.subarray(0, left) : buffer);
    if (count === null) return;
    left -= count;
    if (report) report.bytes += count;
    onBytes?.(buffer.subarray(0, count));
    yield buffer.subarray(0, count);
  }
}
