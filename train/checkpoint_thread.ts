// The thread that writes a checkpoint: gets what to write, then the bytes of its tensors in order.
import { WeftError } from "../engine/weft_error.ts";
import { type CheckpointFiles, writeCheckpointFiles } from "./checkpoint_files.ts";

const thread = self as unknown as {
  onmessage: (event: MessageEvent<CheckpointFiles | Uint8Array>) => void;
  postMessage(message: unknown): void;
};
const queue: Uint8Array[] = [];
let arrived = Promise.withResolvers<void>();

async function read(limit: number): Promise<Uint8Array> {
  while (queue.length === 0) {
    arrived = Promise.withResolvers<void>();
    await arrived.promise;
  }
  const bytes = queue[0].subarray(0, limit);
  if (bytes.length === queue[0].length) queue.shift();
  else queue[0] = queue[0].subarray(limit);
  thread.postMessage({ read: bytes.length });
  return bytes;
}

thread.onmessage = async ({ data }) => {
  if (data instanceof Uint8Array) {
    queue.push(data);
    return arrived.resolve();
  }
  try {
    await writeCheckpointFiles(data, read);
    thread.postMessage({ done: true });
  } catch (error) {
    thread.postMessage({ error: (error as Error).message, isUsers: error instanceof WeftError });
  }
};
