import type { WordPatternName } from "../model/word_pattern.ts";
import { type CountRequest, WordCounter } from "./word_counter.ts";
import type { WordCountArrays, WordCounts } from "./word_counts.ts";

/** How words are counted. */
export interface CountWordsOptions {
  /** How text is cut into words. */
  readonly pattern: WordPatternName;
  /** Threads that count. Default: as many as the machine has cores. */
  readonly workers?: number;
  /** Is told now and then how many characters were read. */
  readonly onProgress?: (characters: number) => void;
}

/** Characters that go to a thread at once. */
const batchSize = 1 << 20;

/**
 * Counts the words of texts, which are read as they are needed: two batches per thread are in memory, and the words.
 * Each text is whole: no word goes from one to the next.
 *
 * @example
 * ```ts
 * import { countWords } from "./count_words.ts";
 * const words = await countWords(["to be or not to be"], { pattern: "gpt2" });
 * console.log(words.size); // 5: to, be, or, not, and to with a space before it
 * ```
 */
export async function countWords(
  texts: AsyncIterable<string> | Iterable<string>,
  { pattern, workers = navigator.hardwareConcurrency, onProgress }: CountWordsOptions,
): Promise<WordCounts> {
  const counter = new WordCounter(pattern), threads: CountingThread[] = [];
  let characters = 0, turn = 0, first: readonly string[] | undefined;
  try {
    for await (const batch of batches(texts)) {
      characters += batch.reduce((sum, text) => sum + text.length, 0);
      if (first === undefined) first = batch; // threads are not worth their start for one batch
      else {
        while (threads.length < workers) threads.push(new CountingThread(pattern));
        if (threads.length === 0) batch.forEach((text) => counter.count(text));
        else await threads[turn++ % threads.length].count(batch);
      }
      onProgress?.(characters);
    }
    first?.forEach((text) => counter.count(text));
    for (const thread of threads) counter.words.merge(await thread.finish());
    return counter.words;
  } finally {
    for (const thread of threads) thread.stop();
  }
}

/** Texts in batches: short ones together, long ones alone. */
async function* batches(texts: AsyncIterable<string> | Iterable<string>): AsyncGenerator<readonly string[]> {
  let batch: string[] = [], size = 0;
  for await (const text of texts) {
    batch.push(text);
    size += text.length;
    if (size < batchSize) continue;
    yield batch;
    batch = [];
    size = 0;
  }
  if (batch.length > 0) yield batch;
}

/** A thread that counts, with one batch in its hands and one waiting for it. */
class CountingThread {
  #worker = new Worker(new URL("./count_words_worker.ts", import.meta.url), { type: "module" });
  #waiting: Promise<unknown>[] = [];
  #answers: PromiseWithResolvers<unknown>[] = [];

  constructor(pattern: WordPatternName) {
    this.#worker.onmessage = ({ data }) => this.#answers.shift()!.resolve(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      for (const answer of this.#answers.splice(0)) answer.reject(new Error(`counting words failed: ${event.message}`));
    };
    this.#worker.postMessage({ pattern } satisfies CountRequest);
  }

  async count(texts: readonly string[]): Promise<void> {
    this.#waiting.push(this.#ask({ texts }));
    if (this.#waiting.length > 2) await this.#waiting.shift();
  }

  async finish(): Promise<WordCountArrays> {
    const arrays = this.#ask({ finish: true });
    await Promise.all(this.#waiting);
    return await arrays as WordCountArrays;
  }

  stop(): void {
    this.#worker.terminate();
  }

  #ask(request: CountRequest): Promise<unknown> {
    const answer = Promise.withResolvers<unknown>();
    answer.promise.catch(() => {}); // whoever awaits it learns of the error, now or at the end
    this.#answers.push(answer);
    this.#worker.postMessage(request);
    return answer.promise;
  }
}
