import { BatchCleaner, type CleanedBatch } from "./clean_batch.ts";
import type { FromWorker, ToWorker } from "./clean_worker.ts";
import type { Document } from "./document.ts";
import type { Stage } from "./pipeline.ts";

/** How many clean at once. */
export interface CleanAllOptions {
  /** Web Workers; 0 cleans in this thread. Default: one for each core. */
  readonly workers?: number;
}

const batchesPerWorker = 2; // one at work and one that waits

/**
 * Cleans batches of documents in Web Workers. Results come in the order of the batches and do not depend on the number
 * of workers. At most two batches per worker are taken from `documents` ahead of what is asked for.
 *
 * @throws what reading the documents throws, and an error of a worker in place of its batch.
 *
 * @example
 * ```ts
 * import { parsePipeline } from "./pipeline.ts";
 * import { cleanAll } from "./worker_pool.ts";
 * async function* documents() {
 *   for (let i = 0; i < 3; i++) yield [{ text: `Write to ${i}@example.com`, source: `file:${i}` }];
 * }
 * for await (const batch of cleanAll(documents(), parsePipeline(["redact"]), { workers: 2 })) {
 *   console.log(batch.texts); // ["Write to <EMAIL>"]
 * }
 * ```
 */
export async function* cleanAll(
  documents: AsyncIterable<readonly Document[]>,
  stages: readonly Stage[],
  options: CleanAllOptions = {},
): AsyncGenerator<CleanedBatch, void, undefined> {
  const { workers = navigator.hardwareConcurrency } = options;
  if (workers === 0) {
    const cleaner = new BatchCleaner(stages);
    for await (const batch of documents) yield cleaner.clean(batch);
    return;
  }
  const pool = Array.from({ length: workers }, () => new CleanWorker(stages));
  const waiting: Promise<CleanedBatch>[] = [];
  try {
    let next = 0;
    for await (const batch of documents) {
      const result = pool[next++ % workers].clean(batch);
      result.catch(() => {}); // it is thrown below, when its turn comes
      waiting.push(result);
      if (waiting.length >= workers * batchesPerWorker) yield await waiting.shift()!;
    }
    while (waiting.length > 0) yield await waiting.shift()!;
  } finally {
    for (const worker of pool) worker.terminate();
  }
}

/** A worker with the batches that it has not given back. */
class CleanWorker {
  readonly #worker: Worker;
  readonly #pending: PromiseWithResolvers<CleanedBatch>[] = [];
  #failed: Error | undefined;

  constructor(stages: readonly Stage[]) {
    this.#worker = new Worker(new URL("./clean_worker.ts", import.meta.url), { type: "module", name: "cleaning" });
    this.#worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      if ("batch" in data) this.#pending.shift()?.resolve(data.batch);
      else this.#fail(Object.assign(new Error(data.error.message), { stack: data.error.stack }));
    };
    this.#worker.onerror = (event) => {
      event.preventDefault(); // else it ends the program
      this.#fail(new Error(`A worker that cleans has failed: ${event.message}`));
    };
    this.#worker.onmessageerror = () => this.#fail(new Error("A worker's message cannot be read"));
    this.#send({ stages });
  }

  /** The result of a batch, once the worker has it. */
  clean(documents: readonly Document[]): Promise<CleanedBatch> {
    if (this.#failed) return Promise.reject(this.#failed);
    const result = Promise.withResolvers<CleanedBatch>();
    this.#pending.push(result);
    this.#send({ documents });
    return result.promise;
  }

  #send(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  #fail(error: Error): void {
    this.#failed ??= error;
    for (const { reject } of this.#pending.splice(0)) reject(this.#failed);
  }

  terminate(): void {
    this.#worker.terminate();
  }
}
