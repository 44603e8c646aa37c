import { WeftError } from "../engine/weft_error.ts";
import { writeDirectory } from "./atomic_directory.ts";
import { hashText, writeChecksums } from "./checksums.ts";
import { type TensorShapes, writeWeights } from "./weight_writer.ts";

/** What the files of a checkpoint hold beside the bytes of tensors, as it goes to the thread that writes them. */
export interface CheckpointFiles {
  /** Directories that get the files, in order. */
  readonly directories: readonly string[];
  /** Whether the last of them keeps what was there. */
  readonly keepPrevious: boolean;
  /** Bytes of tensors in one file at most. */
  readonly maxShardSize: number;
  /** Tensors by the name of their files, in the order of their bytes. */
  readonly weights: readonly (readonly [base: string, tensors: TensorShapes, metadata: Record<string, string>])[];
  /** Texts by the name of their file. */
  readonly texts: ReadonlyMap<string, string>;
}

/** Writes the files into the first directory, and copies them into the others. `read` gives the bytes of the tensors. */
export async function writeCheckpointFiles(
  { directories, keepPrevious, maxShardSize, weights, texts }: CheckpointFiles,
  read: (limit: number) => Promise<Uint8Array>,
): Promise<void> {
  const [first] = directories;
  for (const directory of directories) {
    await writeDirectory(directory, async (path) => {
      if (directory !== first) {
        for await (const { name } of Deno.readDir(first)) await Deno.copyFile(`${first}/${name}`, `${path}/${name}`);
        return;
      }
      const hashes = [];
      for (const [base, tensors, metadata] of weights) {
        hashes.push(...await writeWeights(path, base, tensors, read, { metadata, maxShardSize }));
      }
      for (const [name, text] of texts) {
        await Deno.writeTextFile(`${path}/${name}`, text);
        hashes.push([name, hashText(text)] as const);
      }
      await writeChecksums(path, new Map(hashes));
    }, { keepPrevious: keepPrevious && directory === directories.at(-1) });
  }
}

/**
 * The other side of `checkpoint_thread.ts`: writes files in a thread of their own, since Deno's main thread stands still
 * while it waits for the GPU. `next` gives bytes of the tensors, which are handed over, and undefined after the last; it
 * is asked while fewer than `memory` bytes wait to be written. `onCopied` is called when it was asked for all.
 */
export async function writeInThread(
  files: CheckpointFiles,
  next: () => Promise<Uint8Array<ArrayBuffer> | undefined>,
  memory: number,
  onCopied: () => void,
): Promise<void> {
  const thread = new Worker(new URL("./checkpoint_thread.ts", import.meta.url), { type: "module" });
  const end = Promise.withResolvers<void>();
  end.promise.catch(() => {}); // it may be known before it is waited for
  let waiting = 0, room = Promise.withResolvers<void>();
  thread.onmessage = ({ data }: MessageEvent<{ read?: number; done?: true; error?: string; isUsers?: boolean }>) => {
    if (data.read !== undefined) waiting -= data.read;
    else if (data.done) end.resolve();
    else end.reject(data.isUsers ? new WeftError(data.error!) : new Error(data.error));
    room.resolve();
  };
  thread.onerror = (event) => {
    event.preventDefault();
    end.reject(new Error(event.message));
    room.resolve();
  };
  try {
    thread.postMessage(files);
    for (let bytes = await next(); bytes !== undefined; bytes = await next()) {
      const { length } = bytes;
      while (waiting > 0 && waiting + length > memory) {
        room = Promise.withResolvers<void>();
        await Promise.race([room.promise, end.promise]);
      }
      waiting += length;
      thread.postMessage(bytes, [bytes.buffer]);
    }
    onCopied();
    await end.promise;
  } finally {
    thread.terminate();
  }
}
