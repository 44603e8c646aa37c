import { WeftError } from "./weft_error.ts";

/** A GPU buffer that the pool lends out, and what the engine knows of it. */
export interface Storage {
  /** Order of creation; also the key of bind groups. */
  readonly id: number;
  /** The buffer itself; of a texture, that of which it was first a copy. */
  readonly buffer: GPUBuffer;
  /** The texture that takes the buffer's place, where there is one: for kernels that read it so, and for nothing else. */
  readonly texture?: GPUTexture;
  /** Its size in bytes: the size asked for, rounded up to a size class. */
  readonly bytes: number;
  /** Counts how often it was given back, so that a tensor which outlived its memory is recognised. */
  generation: number;
  /** Counts how often it was written, so that a copy of it in a texture is known to be one still. */
  writes: number;
  /** Of a texture: which bytes of which storage it is a copy of, and how often that had been written. */
  copyOf?: { readonly id: number; readonly offset: number; readonly bytes: number; readonly writes: number };
  /** Number of the submission that last used it: what is not submitted yet must not be overwritten. */
  usedIn: number;
}

/** What the pool holds at a moment. */
export interface PoolStats {
  /** Buffers lent out, textures among them. */
  readonly buffersInUse: number;
  /** Bytes lent out. */
  readonly bytesInUse: number;
  /** The largest `bytesInUse` so far. */
  readonly peakBytes: number;
  /** Buffers that were ever created: constant once a training loop has settled. */
  readonly buffersCreated: number;
  /** Bytes of all buffers that were ever created. */
  readonly bytesReserved: number;
}

/**
 * Lends GPU buffers and takes them back. Buffers are never destroyed before the device is: the queue's order
 * makes reuse safe without waiting, and a wait would cost more than the memory.
 *
 * It is deterministic: of the free buffers of a size class the one created first is lent, so the same sequence
 * of requests from the same state takes the same buffers, and every cached bind group is found again.
 */
export class BufferPool {
  #device: GPUDevice;
  #storages = 0;
  #free = new Map<number, Storage[]>(); // by bytes, negative ones of textures
  #stats = { buffersInUse: 0, bytesInUse: 0, peakBytes: 0, buffersCreated: 0, bytesReserved: 0 };
  #onCreate: (check: Promise<void>) => void;

  /** `onCreate` receives, for each buffer created, a promise that rejects when the device had no memory for it. */
  constructor(device: GPUDevice, onCreate: (check: Promise<void>) => void) {
    this.#device = device;
    this.#onCreate = onCreate;
  }

  /** What is lent out and what was created. */
  get stats(): PoolStats {
    return { ...this.#stats };
  }

  /**
   * Lends a buffer of at least `bytes` bytes. `label` describes the tensor in messages.
   *
   * @throws {WeftError} when the device has no buffers of that size.
   */
  take(bytes: number, label: string): Storage {
    const limit = Math.floor(this.#device.limits.maxBufferSize / 16) * 16; // whole vec4s
    if (bytes > limit) {
      throw new WeftError(
        `Cannot allocate ${label}: it needs ${formatBytes(bytes)} in one buffer and this adapter allows ` +
          `${formatBytes(limit)}; make it ${(bytes / limit).toFixed(1)} times smaller`,
      );
    }
    const size = Math.min(sizeClass(bytes), limit);
    return this.#lent(
      this.#free.get(size)?.shift() ?? this.#created(label, size, () => ({
        buffer: this.#device.createBuffer({
          label,
          size,
          usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
        }),
      })),
    );
  }

  /** Lends the texture that is a copy of bytes of a storage as it is now, where there is one and it is free. */
  takeCopy({ id, writes }: Storage, offset: number, bytes: number): Storage | undefined {
    const free = this.#free.get(-textureBytes(bytes));
    const at =
      free?.findIndex(({ copyOf }) =>
        copyOf?.id === id && copyOf.writes === writes && copyOf.offset === offset && copyOf.bytes === bytes
      ) ?? -1;
    return at < 0 ? undefined : this.#lent(free!.splice(at, 1)[0]);
  }

  /**
   * Lends a texture of at least `bytes` bytes, four f32 to a texel and `texelsPerRow` texels to a row: the one that was given back
   * the longest ago. `of` is what it will be a copy of. Undefined where it would have more rows than a texture may.
   */
  takeTexture(bytes: number, of: Storage): Storage | undefined {
    const size = textureBytes(bytes), rows = size / (16 * texelsPerRow);
    if (rows > this.#device.limits.maxTextureDimension2D) return undefined;
    let storage = this.#free.get(-size)?.shift();
    if (storage === undefined) {
      storage = this.#created("a texture", size, () => ({
        buffer: of.buffer,
        // Wider than what is used, so that rows of a matrix a power of two apart do not share lines of a cache.
        texture: this.#device.createTexture({
          size: [texelsPerRow + 4, rows],
          format: "rgba32float",
          usage: GPUTextureUsage.STORAGE_BINDING | GPUTextureUsage.COPY_DST,
        }),
      }));
    }
    return this.#lent(storage);
  }

  /** Takes a buffer or a texture back. Tensors that still point at it can no longer be used. */
  give(storage: Storage): void {
    storage.generation++;
    this.#stats.buffersInUse--;
    this.#stats.bytesInUse -= storage.bytes;
    const key = storage.texture ? -storage.bytes : storage.bytes, free = this.#free.get(key);
    if (free === undefined) {
      this.#free.set(key, [storage]);
      return;
    }
    let at = free.length; // keep the list in order of creation; that of textures, of use
    while (!storage.texture && at > 0 && free[at - 1].id > storage.id) at--;
    free.splice(at, 0, storage);
  }

  /** A texture as storage that the pool does not lend; `of` is what it is a copy of. */
  outside(of: Storage, texture: GPUTexture): Storage {
    return { ...of, id: this.#storages++, texture, generation: 0, writes: 0, usedIn: -1 };
  }

  #lent(storage: Storage): Storage {
    this.#stats.buffersInUse++;
    this.#stats.bytesInUse += storage.bytes;
    this.#stats.peakBytes = Math.max(this.#stats.peakBytes, this.#stats.bytesInUse);
    return storage;
  }

  #created(label: string, bytes: number, create: () => Pick<Storage, "buffer" | "texture">): Storage {
    this.#device.pushErrorScope("out-of-memory");
    const memory = create(), inUse = this.#stats.bytesInUse;
    this.#onCreate(
      this.#device.popErrorScope().then((error) => {
        if (error) {
          throw new WeftError(
            `Out of GPU memory: ${label} needs ${formatBytes(bytes)} and ${formatBytes(inUse)} are in use; ` +
              `a smaller batch_size, block_size or n_embd needs less`,
          );
        }
      }),
    );
    this.#stats.buffersCreated++;
    this.#stats.bytesReserved += bytes;
    return { id: this.#storages++, ...memory, bytes, generation: 0, writes: 0, usedIn: -1 };
  }
}

/** Texels in a row of a texture that the pool lends. */
export const texelsPerRow = 1024;

function textureBytes(bytes: number): number {
  return Math.ceil(sizeClass(bytes) / (16 * texelsPerRow)) * 16 * texelsPerRow;
}

/** Eight classes an octave, multiples of 256 bytes: at most an eighth is wasted, and near sizes share buffers. */
function sizeClass(bytes: number): number {
  const step = Math.max(256, 2 ** (Math.floor(Math.log2(Math.max(bytes, 1))) - 3));
  return Math.max(1, Math.ceil(bytes / step)) * step;
}

/** Bytes for a reader: `1.5 GB`, `147.2 MB`, `12 B`. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), units.length - 1);
  return power === 0 ? `${bytes} B` : `${(bytes / 1000 ** power).toFixed(1)} ${units[power]}`;
}
