import type { Storage } from "./buffer_pool.ts";
import type { Gpu, StorageOwner } from "./gpu.ts";
import type { BackwardFunction, TapeNode, Tensor } from "./tensor.ts";
import { WeftError } from "./weft_error.ts";

/** How a scope is opened. */
export interface ScopeOptions {
  /** Whether operations are recorded for `backward`. Default: no. */
  readonly grad?: boolean;
}

/**
 * Arena and tape in one. Every tensor made while a scope is the innermost open one belongs to it; at the end of
 * the block, exceptions included, the memory returns to the pool. With `grad`, operations on tensors that require
 * gradients are put on its tape.
 *
 * @example
 * ```ts
 * import { Gpu } from "./gpu.ts";
 * import { Scope } from "./scope.ts";
 * import { tensor } from "./tensor.ts";
 * import { backward } from "./backward.ts";
 * import { mul } from "./ops/binary.ts";
 * import { sum } from "./ops/reduce.ts";
 *
 * using gpu = await Gpu.open();
 * const w = tensor(gpu, [1, 2, 3], [3], { requiresGrad: true }); // made outside: stays
 * {
 *   using _ = new Scope(gpu, { grad: true });
 *   backward(sum(mul(w, w))); // d/dw Σ w² = 2w
 * }
 * console.log(await w.grad!.read()); // Float32Array [2, 4, 6]
 * ```
 */
export class Scope implements StorageOwner, Disposable {
  /** Where its tensors live. */
  readonly gpu: Gpu;
  /** Whether operations are recorded. */
  readonly grad: boolean;
  /** Operations in the order in which they ran. */
  readonly tape: TapeNode[] = [];
  #parent: StorageOwner | undefined;
  #owned = new Set<Storage>();
  #fresh: Storage[] = [];
  #paused = false;

  /**
   * Opens a scope; the one that was open before becomes its parent. Write `using scope = new Scope(gpu)`.
   *
   * @throws {WeftError} when it is to record inside one that records.
   */
  constructor(gpu: Gpu, options: ScopeOptions = {}) {
    this.gpu = gpu;
    this.grad = options.grad ?? false;
    this.#parent = gpu.owner;
    if (this.grad && this.#parent instanceof Scope && this.#parent.recording) {
      throw new WeftError(
        "A scope with grad cannot be opened inside another: what the outer one recorded would get no gradient",
      );
    }
    gpu.owner = this;
  }

  /** The innermost open scope of a GPU. */
  static current(gpu: Gpu): Scope | undefined {
    return gpu.owner instanceof Scope ? gpu.owner : undefined;
  }

  /** Called for each storage that is allocated while this is the innermost scope. */
  own(storage: Storage, transient: boolean): void {
    this.#owned.add(storage);
    if (transient) this.#fresh.push(storage);
  }

  /** Hands a tensor to the parent scope, or to nobody (it then stays until the GPU closes), and returns it. */
  keep(tensor: Tensor): Tensor {
    this.release(tensor.storage);
    this.#parent?.own(tensor.storage, false);
    return tensor;
  }

  /** Stops owning a storage without giving it back. */
  release(storage: Storage): void {
    this.#owned.delete(storage);
  }

  /** Whether it owns the storage. */
  owns(storage: Storage): boolean {
    return this.#owned.has(storage);
  }

  /** Gives a storage that it owns back to the pool; does nothing with one that it does not own. */
  give(storage: Storage): void {
    if (this.#owned.delete(storage)) this.gpu.pool.give(storage);
  }

  /** The transient storages that were allocated since the last call. */
  takeFresh(): Storage[] {
    const fresh = this.#fresh;
    this.#fresh = [];
    return fresh;
  }

  /** Whether operations on tensors that require gradients are put on the tape at this moment. */
  get recording(): boolean {
    return this.grad && !this.#paused;
  }

  /** Runs `work` without recording: operations inside are not differentiated. `backward` itself runs in it. */
  pause(work: () => void): void {
    const before = this.#paused;
    this.#paused = true;
    try {
      work();
    } finally {
      this.#paused = before;
    }
  }

  /** Gives all memory back and makes the parent the innermost scope again. */
  [Symbol.dispose](): void {
    if (this.gpu.owner !== this) {
      throw new WeftError("Scopes must end in the reverse order of their opening: write `using`");
    }
    this.gpu.owner = this.#parent;
    for (const storage of this.#owned) this.gpu.pool.give(storage);
    this.#owned.clear();
    this.tape.length = 0;
  }
}

/** Whether an operation on these inputs is to be recorded. An op asks before it computes what only backward needs. */
export function recording(gpu: Gpu, inputs: readonly Tensor[]): boolean {
  return (Scope.current(gpu)?.recording ?? false) && inputs.some((input) => input.requiresGrad);
}

/**
 * Puts the operation that made `output` on the tape of the innermost scope, if that records and an input requires
 * a gradient. `backward` receives the gradient of the output and returns those of the inputs, in their order; it
 * may leave out (`undefined`) that of an input whose `requiresGrad` is false. Returns the output.
 */
export function record(output: Tensor, inputs: readonly Tensor[], backward: BackwardFunction): Tensor {
  const scope = Scope.current(output.gpu);
  if (!scope?.recording) return output;
  const storages = scope.takeFresh();
  if (recording(output.gpu, inputs)) {
    output.requiresGrad = true;
    output.node = { output, inputs, backward, storages };
    for (const input of inputs) input.uses++;
    scope.tape.push(output.node);
  }
  return output;
}
