import type { Gpu } from "../engine/gpu.ts";
import { copyPart } from "../engine/ops/strided_copy.ts";
import { type Tensor, zeros } from "../engine/tensor.ts";
import { WeftError } from "../engine/weft_error.ts";

/**
 * Numbers that are computed on the GPU step after step and read together: one read costs about 11 ms in Deno however
 * little it brings, so a training loop that reads every loss waits more than it computes.
 *
 * @example
 * ```ts
 * import { Gpu } from "../engine/gpu.ts";
 * import { tensor } from "../engine/tensor.ts";
 * import { LossLog } from "./loss_log.ts";
 *
 * using gpu = await Gpu.open();
 * const log = new LossLog(gpu, 100);
 * for (let step = 0; step < 3; step++) log.push(tensor(gpu, [step * 0.5]));
 * console.log(await log.read()); // [0, 0.5, 1]
 * ```
 */
export class LossLog {
  #values: Tensor;
  #count = 0;

  /** Room for `capacity` numbers between two reads; it lives as long as the scope that it is made in. */
  constructor(gpu: Gpu, capacity: number) {
    this.#values = zeros(gpu, [capacity], { label: "loss log" });
  }

  /** How many numbers wait to be read. */
  get length(): number {
    return this.#count;
  }

  /** Appends the first element of a tensor, without waiting for it. */
  push(value: Tensor): void {
    if (this.#count === this.#values.size) {
      throw new WeftError(`The loss log is full: it holds ${this.#count} numbers`);
    }
    copyPart(value, this.#values, {
      shape: [],
      xStrides: [],
      outStrides: [],
      xOffset: 0,
      outOffset: this.#count++,
    });
  }

  /** Reads what was appended since the last read, in order. */
  async read(): Promise<number[]> {
    const values = await this.#values.read();
    const read = Array.from(values.subarray(0, this.#count));
    this.#count = 0;
    return read;
  }
}
