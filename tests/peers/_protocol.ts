import { randomNormals, randomU32 } from "../../engine/random.ts";
import { gptParameterShapes } from "../../model/gpt_config.ts";
import { sizeOf } from "../../engine/shape.ts";

/** Which matrix product: (m, k) × (k, n), an operand stored the other way round where it is transposed. */
export interface MatmulSizes {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly transpose_a: boolean;
  readonly transpose_b: boolean;
}

/** Which GPT, and how much of it a step sees. */
export interface GptSizes {
  readonly n_layer: number;
  readonly n_head: number;
  readonly n_embd: number;
  readonly block_size: number;
  readonly batch_size: number;
  readonly vocab_size: number;
}

/** What is timed: work that is finished when the promise is, with the loss where there is one. */
export type Work = () => Promise<number | void>;

/** A library that Weft is measured against. */
export interface Peer {
  /** Name, version and device. */
  readonly name: string;
  /** What it computes on. */
  readonly adapter: string;
  /** Its GPU device, where it has one: what goes wrong there without a word must fail the request. */
  readonly device?: GPUDevice;
  /** Prepares one matrix product. */
  matmul(sizes: MatmulSizes): Work | Promise<Work>;
  /** Prepares training steps on one fixed batch. */
  step(sizes: GptSizes): Work | Promise<Work>;
}

/** Values and shape of an array in host memory. */
export interface HostArray {
  readonly shape: number[];
  readonly data: Float32Array<ArrayBuffer>;
}

/** Settings of AdamW, the same for all. */
export const adamW = { lr: 1e-3, beta1: 0.9, beta2: 0.99, eps: 1e-8, decay: 0.1, clip: 1 };

/** The two factors of a matrix product, as they are stored. */
export function factors({ m, n, k, transpose_a, transpose_b }: MatmulSizes): [HostArray, HostArray] {
  const normals = (shape: number[], stream: number) => ({
    shape,
    data: randomNormals(sizeOf(shape), { seed: 1337, stream }),
  });
  return [normals(transpose_a ? [k, m] : [m, k], 0), normals(transpose_b ? [n, k] : [k, n], 1)];
}

/** Fresh parameters by name, with the names, shapes and distributions of `model/gpt.ts`. */
export function gptParameters(sizes: GptSizes): Record<string, HostArray> {
  const entries = [...gptParameterShapes({ ...sizes, bias: false })].map(
    ([name, shape], stream): [string, HostArray] => {
      const std = name.endsWith("c_proj.weight") ? 0.02 / Math.sqrt(2 * sizes.n_layer) : 0.02;
      const data = name.includes("ln_")
        ? new Float32Array(sizeOf(shape)).fill(1)
        : randomNormals(sizeOf(shape), { seed: 1337, stream, std });
      return [name, { shape: [...shape], data }];
    },
  );
  return Object.fromEntries(entries);
}

/** The batch that every step sees: inputs and targets (B, T). */
export function gptBatch({ batch_size, block_size, vocab_size }: GptSizes): Record<"x" | "y", Int32Array<ArrayBuffer>> {
  const ids = (stream: number) =>
    Int32Array.from({ length: batch_size * block_size }, (_, i) => randomU32(1337, stream, i) % vocab_size);
  return { x: ids(1000), y: ids(1001) };
}

/** Answers requests until the one to exit, or the end of the input. */
export async function serve(peer: Peer): Promise<void> {
  const prepared = new Map<string, { work: Work; first_loss?: number }>();
  let gpuError: string | undefined;
  peer.device?.addEventListener("uncapturederror", (event) => {
    event.preventDefault();
    gpuError ??= (event as GPUUncapturedErrorEvent).error.message;
  });

  async function prepare(key: string, make: () => Work | Promise<Work>) {
    const work = await make();
    const first_loss = await work() ?? undefined; // compiles
    await work(); // fills the pools of buffers
    return prepared.set(key, { work, first_loss }).get(key)!;
  }

  async function answer(line: string): Promise<Record<string, unknown> | undefined> {
    const { op, repeats = 3, ...sizes } = JSON.parse(line);
    if (op === "exit") return undefined;
    if (op === "hello") return { name: peer.name, adapter: peer.adapter };
    if (op !== "matmul" && op !== "step") throw new Error(`unknown op ${op}`);
    const key = JSON.stringify([op, sizes]);
    const { work, first_loss } = prepared.get(key) ?? await prepare(key, () => peer[op as "step"](sizes));
    const ms: number[] = [];
    let loss: number | void = undefined;
    for (let i = 0; i < repeats; i++) {
      const start = performance.now();
      loss = await work();
      ms.push(performance.now() - start);
    }
    if (gpuError !== undefined) throw new Error(gpuError);
    return { ms, loss, first_loss };
  }

  for await (const line of lines()) {
    let reply: Record<string, unknown> | undefined;
    try {
      gpuError = undefined;
      reply = await answer(line);
    } catch (error) { // a request that fails must not end the program
      reply = { error: String(error).replace(/\s+/g, " ").slice(0, 500) };
    }
    if (reply === undefined) break;
    await Deno.stdout.write(new TextEncoder().encode(`${JSON.stringify(reply)}\n`));
  }
  Deno.exit(); // workers of a peer may still be there
}

async function* lines(): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const whole = (rest + chunk).split("\n");
    rest = whole.pop()!;
    yield* whole.filter((line) => line.trim() !== "");
  }
}

// Standard output belongs to the protocol, and what a library says in the background must not end the program.
console.log = console.info = console.debug = console.error;
addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  console.error("unhandled:", event.reason);
});
