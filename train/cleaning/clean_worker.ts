import { BatchCleaner, type CleanedBatch } from "./clean_batch.ts";
import type { Document } from "./document.ts";
import type { Stage } from "./pipeline.ts";

/** To a worker: first the stages, then batches. */
export type ToWorker = { readonly stages: readonly Stage[] } | { readonly documents: readonly Document[] };

/** From a worker, for each batch in order: what is left of it, or an error in its place. */
export type FromWorker = { readonly batch: CleanedBatch } | { readonly error: { message: string; stack?: string } };

/** This thread, as the types of a page do not know it. */
const scope = self as unknown as {
  onmessage: (event: MessageEvent<ToWorker>) => void;
  postMessage(message: FromWorker, transfer?: Transferable[]): void;
};
let cleaner: BatchCleaner | undefined;

scope.onmessage = ({ data }) => {
  try {
    if ("stages" in data) cleaner = new BatchCleaner(data.stages);
    else {
      const batch = cleaner!.clean(data.documents);
      const { indices, hashes, signed, bands, sketches } = batch;
      const moved = [indices, hashes, signed, bands, sketches].map(({ buffer }) => buffer);
      scope.postMessage({ batch }, moved);
    }
  } catch (error) {
    const { message, stack } = error as Error;
    scope.postMessage({ error: { message, stack } });
  }
};
