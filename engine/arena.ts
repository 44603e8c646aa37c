import type { Storage } from "./buffer_pool.ts";
import type { Gpu, StorageOwner } from "./gpu.ts";

/**
 * Memory that lives as long as what it belongs to, such as the cache of a generation: not until the end of a block, as in a
 * `Scope`, and not in the order of blocks.
 *
 * @example
 * ```ts
 * import { Arena } from "./arena.ts";
 * import { Gpu } from "./gpu.ts";
 * import { zeros } from "./tensor.ts";
 *
 * using gpu = await Gpu.open();
 * const arena = new Arena(gpu);
 * const counts = arena.hold(() => zeros(gpu, [4])); // lives on when a scope around this ends
 * console.log(await counts.read()); // Float32Array [0, 0, 0, 0]
 * arena.free();
 * ```
 */
export class Arena implements StorageOwner {
  #gpu: Gpu;
  #storages: Storage[] = [];

  /** An arena that holds nothing yet. */
  constructor(gpu: Gpu) {
    this.#gpu = gpu;
  }

  /** Called for each storage that is allocated while `hold` runs. */
  own(storage: Storage): void {
    this.#storages.push(storage);
  }

  /** Runs `make` and keeps all memory that it allocates. */
  hold<T>(make: () => T): T {
    const owner = this.#gpu.owner;
    this.#gpu.owner = this;
    try {
      return make();
    } finally {
      this.#gpu.owner = owner;
    }
  }

  /** Gives all memory back. */
  free(): void {
    for (const storage of this.#storages) this.#gpu.pool.give(storage);
    this.#storages = [];
  }
}
