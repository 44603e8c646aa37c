import { type CleanedBatch, prepareCleaner } from "../train/cleaning/clean_batch.ts";
import type { Document } from "../train/cleaning/document.ts";
import type { Stage } from "../train/cleaning/pipeline.ts";
import { inWorkers } from "../train/worker_pool.ts";

/** Cleans batches in threads, as `Survivors` does. */
export async function* cleanAll(
  batches: AsyncIterable<readonly Document[]>,
  stages: readonly Stage[],
  { workers }: { readonly workers: number },
): AsyncGenerator<CleanedBatch> {
  const url = new URL("../train/cleaning/clean_worker.ts", import.meta.url);
  const inputs = (async function* () {
    for await (const documents of batches) yield { documents };
  })();
  for await (const { output } of inWorkers(inputs, { url, prepare: prepareCleaner, setup: stages, workers })) {
    yield output;
  }
}
