import { WeftError } from "./weft_error.ts";

/** The format of a copy of a storage as a texture, `texelsPerRow` texels to a row. */
export type TexelForm = "rgba32float" | "rgba16float";

/** What a kernel can bind of a storage: its buffer, or such a copy of it. */
export type StorageForm = "buffer" | TexelForm;

/** Memory that the pool lends out, and what the engine knows of it. Its forms are created when they are first used. */
export class Storage {
  /** Order of creation; also the key of bind groups. */
  readonly id: number;
  /** Its size in bytes: the size asked for, rounded up to a size class. */
  readonly bytes: number;
  /** Counts how often it was given back, so that a tensor which outlived its memory is recognised. */
  generation = 0;
  /** The texture that holds what the buffer holds. */
  copied: TexelForm | undefined;
  /** Number of the submission that last used it: what is not submitted yet must not be overwritten. */
  usedIn: number = -1;
  /** The forms used since it was lent. */
  readonly forms: Set<StorageForm> = new Set();
  #create: (form: StorageForm) => GPUBuffer | GPUTexture;
  #onUse: () => void;
  #made = new Map<StorageForm, GPUBuffer | GPUTexture>();

  /** `create` makes a form of it; `onUse` is called for each form when it is used for the first time since it was lent. */
  constructor(id: number, bytes: number, create: (form: StorageForm) => GPUBuffer | GPUTexture, onUse: () => void) {
    this.id = id;
    this.bytes = bytes;
    this.#create = create;
    this.#onUse = onUse;
  }

  /** Sees to it that a form of it exists and is counted. */
  use(form: StorageForm): void {
    if (this.forms.has(form)) return;
    this.forms.add(form);
    this.#onUse();
    if (!this.#made.has(form)) this.#made.set(form, this.#create(form));
  }

  /** Its buffer. */
  get buffer(): GPUBuffer {
    this.use("buffer");
    return this.#made.get("buffer") as GPUBuffer;
  }

  /** Its texture of a format; whether that is a copy of the buffer, as it is now, says `copied`. */
  texture(form: TexelForm): GPUTexture {
    this.use(form);
    return this.#made.get(form) as GPUTexture;
  }
}

/** What the pool holds at a moment. */
export interface PoolStats {
  /** Buffers and textures lent out. */
  readonly buffersInUse: number;
  /** Bytes lent out. */
  readonly bytesInUse: number;
  /** The largest `bytesInUse` so far. */
  readonly peakBytes: number;
  /** Buffers and textures that were ever created: constant once a training loop has settled. */
  readonly buffersCreated: number;
  /** Bytes of all that were ever created. */
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
  #free = new Map<number, Storage[]>(); // by bytes
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
    return this.#free.get(size)?.shift() ??
      new Storage(this.#storages++, size, (form) => this.#created(label, size, form), () => this.#used(size));
  }

  /** Takes memory back. Tensors that still point at it can no longer be used. */
  give(storage: Storage): void {
    storage.generation++;
    storage.copied = undefined;
    this.#stats.buffersInUse -= storage.forms.size;
    this.#stats.bytesInUse -= storage.forms.size * storage.bytes;
    storage.forms.clear();
    const free = this.#free.get(storage.bytes);
    if (free === undefined) {
      this.#free.set(storage.bytes, [storage]);
      return;
    }
    let at = free.length; // keep the list in order of creation
    while (at > 0 && free[at - 1].id > storage.id) at--;
    free.splice(at, 0, storage);
  }

  #used(bytes: number): void {
    this.#stats.buffersInUse++;
    this.#stats.bytesInUse += bytes;
    this.#stats.peakBytes = Math.max(this.#stats.peakBytes, this.#stats.bytesInUse);
  }

  #created(label: string, bytes: number, form: StorageForm): GPUBuffer | GPUTexture {
    const B = GPUBufferUsage, T = GPUTextureUsage;
    this.#device.pushErrorScope("out-of-memory");
    const memory = form === "buffer"
      ? this.#device.createBuffer({ label, size: bytes, usage: B.STORAGE | B.COPY_SRC | B.COPY_DST })
      : this.#device.createTexture({
        label,
        // Wider than what is used, so that rows of a matrix a power of two apart do not share lines of a cache.
        size: [texelsPerRow + 4, Math.ceil(bytes / (texelBytes(form) * texelsPerRow))],
        format: form,
        usage: T.STORAGE_BINDING | T.COPY_DST,
      });
    const inUse = this.#stats.bytesInUse;
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
    return memory;
  }
}

/** Bytes of a texel, which has four elements. */
export const texelBytes = (form: TexelForm): number => form === "rgba32float" ? 16 : 8;

/** Texels in a row of a texture that the pool lends. */
export const texelsPerRow = 1024;

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
