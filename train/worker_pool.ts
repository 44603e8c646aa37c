import { WeftError } from "../engine/weft_error.ts";

/** Makes what does the work, from plain data: the same in a worker as in this thread. */
export type Prepare<Setup, Input, Output> = (setup: Setup) => (input: Input) => Output;

/** Work that is given to threads. */
export interface Work<Setup, Input, Output> {
  /** The module of the worker, which calls `serve` with the same `prepare`. */
  readonly url: URL;
  /** Makes what does the work. */
  readonly prepare: Prepare<Setup, Input, Output>;
  /** What it is made from. */
  readonly setup: Setup;
  /** Web Workers; 0 works in this thread. Default: one for each core. */
  readonly workers?: number;
}

type ToWorker<Setup, Input> = { readonly setup: Setup } | { readonly input: Input };
type FromWorker<Output> =
  | { readonly output: Output }
  | { readonly error: { readonly message: string; readonly stack?: string; readonly isForUser: boolean } };

const inputsPerWorker = 2; // one at work and one that waits

/**
 * Works on inputs in Web Workers. Results come with their inputs, in the order of these, and do not depend on the number
 * of workers. At most two inputs per worker are taken ahead of what is asked for.
 *
 * @throws what reading the inputs throws, and an error of a worker in place of its result.
 *
 * @example
 * ```ts
 * import { inWorkers } from "./worker_pool.ts";
 * async function* numbers() {
 *   for (let i = 0; i < 3; i++) yield i;
 * }
 * const work = { url: new URL("./clean_worker.ts", import.meta.url), prepare: () => (x: number) => 2 * x, setup: {} };
 * for await (const { input, output } of inWorkers(numbers(), { ...work, workers: 0 })) console.log(input, output);
 * ```
 */
export async function* inWorkers<Setup, Input, Output>(
  inputs: AsyncIterable<Input>,
  { url, prepare, setup, workers = navigator.hardwareConcurrency }: Work<Setup, Input, Output>,
): AsyncGenerator<{ readonly input: Input; readonly output: Output }, void, undefined> {
  if (workers === 0) {
    const work = prepare(setup);
    for await (const input of inputs) yield { input, output: work(input) };
    return;
  }
  const pool: PoolWorker<Setup, Input, Output>[] = [];
  const waiting: { readonly input: Input; readonly output: Promise<Output> }[] = [];
  const next = async () => {
    const { input, output } = waiting.shift()!;
    return { input, output: await output };
  };
  try {
    let number = 0;
    for await (const input of inputs) {
      if (pool.length < workers) pool.push(new PoolWorker(url, setup));
      const output = pool[number++ % workers].work(input);
      output.catch(() => {}); // it is thrown when its turn comes
      waiting.push({ input, output });
      if (waiting.length >= workers * inputsPerWorker) yield await next();
    }
    while (waiting.length > 0) yield await next();
  } finally {
    for (const worker of pool) worker.terminate();
  }
}

/** A worker with the inputs that it has not given back. */
class PoolWorker<Setup, Input, Output> {
  readonly #worker: Worker;
  readonly #pending: PromiseWithResolvers<Output>[] = [];
  #failed: Error | undefined;

  constructor(url: URL, setup: Setup) {
    this.#worker = new Worker(url, { type: "module" });
    this.#worker.onmessage = ({ data }: MessageEvent<FromWorker<Output>>) => {
      if ("output" in data) return this.#pending.shift()?.resolve(data.output);
      const { message, stack, isForUser } = data.error;
      this.#fail(isForUser ? new WeftError(message) : Object.assign(new Error(message), { stack }));
    };
    this.#worker.onerror = (event) => {
      event.preventDefault(); // else it ends the program
      this.#fail(new Error(`A worker has failed: ${event.message}`));
    };
    this.#worker.onmessageerror = () => this.#fail(new Error("A worker's message cannot be read"));
    this.#send({ setup });
  }

  /** The result of an input, once the worker has it. */
  work(input: Input): Promise<Output> {
    if (this.#failed) return Promise.reject(this.#failed);
    const result = Promise.withResolvers<Output>();
    this.#pending.push(result);
    this.#send({ input });
    return result.promise;
  }

  #send(message: ToWorker<Setup, Input>): void {
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

/** Makes this thread one of `inWorkers`. The buffers of typed arrays in its results are moved, not copied. */
export function serve<Setup, Input, Output extends object>(prepare: Prepare<Setup, Input, Output>): void {
  const scope = self as unknown as { // this thread, as the types of a page do not know it
    onmessage: (event: MessageEvent<ToWorker<Setup, Input>>) => void;
    postMessage(message: FromWorker<Output>, transfer?: Transferable[]): void;
  };
  let work: ((input: Input) => Output) | undefined;
  scope.onmessage = ({ data }) => {
    try {
      if ("setup" in data) work = prepare(data.setup);
      else {
        const output = work!(data.input);
        const arrays = Object.values(output).filter((value) => ArrayBuffer.isView(value));
        scope.postMessage({ output }, [...new Set(arrays.map(({ buffer }) => buffer as ArrayBuffer))]);
      }
    } catch (error) {
      const { message, stack } = error as Error;
      scope.postMessage({ error: { message, stack, isForUser: error instanceof WeftError } });
    }
  };
}
