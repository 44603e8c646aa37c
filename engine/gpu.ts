import { BufferPool, type PoolStats, Storage, texelsPerRow } from "./buffer_pool.ts";
import { Choices, type ForcedVariants } from "./choices.ts";
import { dryDevice } from "./dry_device.ts";
import { KernelCache, shaderNames } from "./kernel.ts";
import { type Dispatch, type KernelTime, Recorder } from "./recorder.ts";
import { selfTest } from "./self_test.ts";
import { WeftError } from "./weft_error.ts";

/** How a GPU is opened. */
export interface GpuOptions {
  /** Shader texts by file name, each taking the place of the built-in of that name. */
  readonly shaders?: Readonly<Record<string, string>>;
  /** Which adapter to prefer where there are several. Default: "high-performance". */
  readonly powerPreference?: GPUPowerPreference;
}

/** What is read of a storage, in bytes. */
export interface StoragePart {
  /** The storage. */
  readonly storage: Storage;
  /** Where the part begins, a multiple of 4. Default: 0. */
  readonly offset?: number;
  /** How long it is. */
  readonly bytes: number;
}

/** Whoever owns the storage that is allocated while it is in charge: a scope. */
export interface StorageOwner {
  /** Called with each storage that is allocated; a transient one is of no use once `backward` has passed its op. */
  own(storage: Storage, transient: boolean): void;
}

const counters = () => ({ label: "tickets", size: 16, usage: GPUBufferUsage.STORAGE });
const installHint: Record<string, string> = {
  linux: "on Debian or Ubuntu `apt-get install mesa-vulkan-drivers` brings a driver that runs on the CPU",
  darwin: "macOS has Metal built in: use a Deno of version 2.9 or newer for this machine",
  windows: "install the graphics driver of the card's maker, or the system's updates",
};

/**
 * A GPU that is open for work: its device, the buffer pool, the kernels compiled so far and the commands that
 * wait to be submitted. Everything else in the engine hangs on one of these; there is no global state.
 *
 * @example
 * ```ts
 * import { Gpu } from "./gpu.ts";
 * import { tensor } from "./tensor.ts";
 * import { add } from "./ops/binary.ts";
 *
 * using gpu = await Gpu.open();
 * const sum = add(tensor(gpu, [1, 2, 3]), tensor(gpu, [10, 20, 30]));
 * console.log(await sum.read()); // Float32Array [11, 22, 33]
 * ```
 */
export class Gpu implements Disposable {
  /** The WebGPU device. */
  readonly device: GPUDevice;
  /** Name and kind of the adapter. */
  readonly info: GPUAdapterInfo;
  /** Buffers for tensors. */
  readonly pool: BufferPool;
  /** Commands that wait to be submitted. */
  readonly recorder: Recorder;
  /** Compiled kernels. */
  readonly kernels: KernelCache;
  /** Which of several kernels is used for which shapes. */
  readonly choices: Choices = new Choices();
  /** Variants of kernels that are used whatever the tuner says: for tests and measurements. */
  forced: ForcedVariants = {};
  /** Whether tensors can be f16: the adapter has it, and the self-test found that it converts as it should. */
  hasF16 = false;
  /** Whether a workgroup of eight is one subgroup, whose invocations can pass values on: so on llvmpipe. */
  hasSubgroupsOf8 = false;
  /** The counters of tickets.wgsl: of the driver's making, and so zero at first. */
  readonly tickets: Storage = new Storage(-1, 16, () => this.device.createBuffer(counters()), () => {});
  /** Whether the adapter is a CPU in disguise, such as llvmpipe. */
  readonly isCpu: boolean;
  /**
   * How many rounds of loops one invocation may take in its main loop. llvmpipe stops an invocation after 65,535 rounds
   * of all its loops together, without a word and with wrong results; GPUs have no such limit.
   */
  readonly loopLimit: number;
  /** Texels of the largest texture that kernels read a tensor from. 0 where that is not worth a copy: on all but llvmpipe. */
  readonly texelLimit: number;
  /** Workgroups that a dispatch may have in each dimension. */
  readonly gridLimit: number;
  /** Bytes that one binding can have: tensors may be larger, where their operations go over them in parts. */
  bindingLimit: number;
  /** Owner of what is allocated now: the innermost open scope. Without one, storage stays until the GPU closes. */
  owner: StorageOwner | undefined;
  #failures: Error[] = [];
  #checks: Promise<void>[] = [];

  private constructor(
    adapter: { readonly info: GPUAdapterInfo },
    device: GPUDevice,
    shaders: Readonly<Record<string, string>>,
  ) {
    this.device = device;
    this.info = adapter.info;
    // Asked for once: in Deno each of these answers takes a microsecond or several.
    const { isFallbackAdapter, description } = adapter.info, isLlvmpipe = /llvmpipe/i.test(description);
    const { maxStorageBufferBindingSize, maxBufferSize, maxTextureDimension2D } = device.limits;
    this.isCpu = isFallbackAdapter || /llvmpipe|swiftshader|lavapipe/i.test(description);
    this.loopLimit = isLlvmpipe ? 65_000 : Infinity;
    this.texelLimit = isLlvmpipe ? texelsPerRow * maxTextureDimension2D : 0;
    this.gridLimit = device.limits.maxComputeWorkgroupsPerDimension;
    this.bindingLimit = Math.floor(Math.min(maxStorageBufferBindingSize, maxBufferSize) / 256) * 256;
    const check = (pending: Promise<void>) => this.#watch(pending);
    this.pool = new BufferPool(device, check);
    this.recorder = new Recorder(device);
    this.kernels = new KernelCache(device, shaders, check);
    device.addEventListener("uncapturederror", (event) => {
      event.preventDefault(); // else Deno prints it as well
      const { message } = (event as GPUUncapturedErrorEvent).error;
      this.#failures.push(new WeftError(`The GPU reports: ${message.replaceAll(/\s*\n\s*/g, " ").trim()}`));
    });
    device.lost.then(({ reason, message }) => {
      if (reason !== "destroyed") {
        this.#failures.push(
          new WeftError(`The GPU was lost (${reason}): ${message || "its driver gave no reason"}`),
        );
      }
    });
  }

  /**
   * Opens the adapter with all the limits that it has and the features that Weft uses, and checks with a few
   * known answers that it computes correctly.
   *
   * @throws {WeftError} when there is no adapter, when a replacement shader replaces nothing, or when the adapter
   * computes wrongly.
   */
  static async open(options: GpuOptions = {}): Promise<Gpu> {
    const shaders = options.shaders ?? {};
    for (const name of Object.keys(shaders)) {
      if (!shaderNames().includes(name)) {
        throw new WeftError(`No shader is named ${name}; the shaders are ${shaderNames().join(", ")}`);
      }
    }
    splitFiner();
    const request = { powerPreference: options.powerPreference ?? "high-performance" };
    const gpu: GPU | undefined = navigator.gpu;
    // A first request was seen to return null for no visible reason: ask once more before giving up.
    const adapter = await gpu?.requestAdapter(request) ?? await gpu?.requestAdapter(request);
    if (!adapter) {
      throw new WeftError(
        `No GPU adapter was found: ${installHint[Deno.build.os] ?? "install a Vulkan driver for this machine"}`,
      );
    }
    const requiredLimits: Record<string, number> = {};
    for (const name in adapter.limits) {
      const value = adapter.limits[name as keyof GPUSupportedLimits];
      if (typeof value === "number") requiredLimits[name] = value;
    }
    const requiredFeatures = (["timestamp-query", "shader-f16"] as const).filter((f) => adapter.features.has(f));
    // Deno does not list subgroups, and gives them where the adapter has them.
    const withSubgroups = { requiredLimits, requiredFeatures: [...requiredFeatures, "subgroups" as GPUFeatureName] };
    const device = await adapter.requestDevice(withSubgroups).catch(() =>
      adapter.requestDevice({ requiredLimits, requiredFeatures })
    );
    const opened = new Gpu(adapter, device, shaders);
    try {
      Object.assign(opened, await selfTest(opened));
    } catch (error) {
      opened.close();
      throw error;
    }
    return opened;
  }

  /**
   * A GPU like another on which nothing happens: `rehearse` on it says what a program would dispatch, and `memory` what
   * it would take, before anything is allocated. Nothing can be read from it.
   */
  static dry(like: Gpu): Gpu {
    const dry = new Gpu(like, dryDevice(like.device), {});
    dry.hasF16 = like.hasF16;
    dry.hasSubgroupsOf8 = like.hasSubgroupsOf8;
    dry.bindingLimit = like.bindingLimit;
    for (const [key, choice] of like.choices.answers) dry.choices.answers.set(key, choice);
    return dry;
  }

  /** What the buffer pool holds. */
  get memory(): PoolStats {
    return this.pool.stats;
  }

  /**
   * Takes storage for a tensor; the innermost open scope will give it back, or `backward` before that, if it is
   * transient. `label` describes it in messages.
   */
  allocate(bytes: number, label: string, transient: boolean): Storage {
    const storage = this.pool.take(bytes, label);
    this.owner?.own(storage, transient);
    return storage;
  }

  /** Writes bytes of a storage, its first ones unless `offset` says else, after whatever was recorded before that uses it. */
  write(storage: Storage, data: ArrayBufferView<ArrayBuffer>, offset = 0): void {
    this.recorder.write(storage);
    // writeBuffer overtakes commands that are not submitted yet
    if (storage.usedIn === this.recorder.submission) this.recorder.submit();
    this.device.queue.writeBuffer(storage.buffer, offset, data.buffer, data.byteOffset, data.byteLength);
  }

  /** Submits what was recorded, without waiting for it. */
  submit(): void {
    this.#raise();
    this.recorder.submit();
  }

  /**
   * Submits, waits, and reads the first `bytes` of each storage. All are read together, because one wait costs
   * about 11 ms in Deno however little is read.
   *
   * @throws {WeftError} when anything went wrong on the GPU since the last read.
   */
  async readStorages(parts: readonly StoragePart[]): Promise<ArrayBuffer[]> {
    const read = this.stage(parts);
    this.recorder.submit();
    return await read();
  }

  /**
   * Records a copy of parts of storages, as they are after what was recorded before. Once that is submitted, the function that
   * is returned reads it; Deno blocks in the call until the GPU is idle, and then sleeps for 10 ms before the promise resolves:
   * what is submitted right after the call runs in that time.
   */
  stage(parts: readonly StoragePart[]): () => Promise<ArrayBuffer[]> {
    const offsets: number[] = [];
    let total = 0;
    for (const { bytes } of parts) {
      offsets.push(total);
      total += Math.ceil(bytes / 4) * 4;
    }
    const staging = this.device.createBuffer({
      label: "readback",
      size: Math.max(total, 4),
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
    parts.forEach(({ storage, bytes, offset = 0 }, i) => {
      if (bytes > 0) this.recorder.copy(storage, offset, staging, offsets[i], Math.ceil(bytes / 4) * 4);
    });
    return async () => {
      try {
        this.#raise();
        try {
          await staging.mapAsync(GPUMapMode.READ);
        } catch (error) {
          await this.#settle();
          throw new WeftError(`The GPU's memory cannot be read: ${(error as Error).message}`);
        }
        await this.#settle();
        const mapped = staging.getMappedRange();
        return parts.map(({ bytes }, i) => mapped.slice(offsets[i], offsets[i] + bytes));
      } finally {
        staging.destroy();
      }
    };
  }

  /** Submits and waits until the GPU is idle. */
  async finish(): Promise<void> {
    this.recorder.submit();
    await this.#settle();
    await this.device.queue.onSubmittedWorkDone();
    await this.#settle();
  }

  /**
   * Runs `work` with everything that it would do on the GPU left out: memory is taken and given back, no more. Returns
   * the dispatches that it would make.
   */
  rehearse(work: () => void): Dispatch[] {
    return this.recorder.rehearse(work);
  }

  /** Runs `work` and returns the GPU time of each kernel that it dispatched, the longest first. */
  async profile(work: () => void | Promise<void>): Promise<KernelTime[]> {
    this.recorder.startProfile();
    try {
      await work();
    } finally {
      this.recorder.submit();
    }
    return await this.recorder.stopProfile();
  }

  /** Gives the device back. Nothing that lived on it can be used afterwards. */
  close(): void {
    this.device.destroy();
  }

  /** Closes the GPU at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }

  #watch(pending: Promise<void>): void {
    const watched = pending.catch((error) => {
      // The first cause comes before its consequences, which arrive as uncaptured errors.
      this.#failures.unshift(error);
    });
    this.#checks.push(watched);
  }

  async #settle(): Promise<void> {
    const checks = this.#checks;
    this.#checks = [];
    await Promise.all(checks);
    this.#raise();
  }

  #raise(): void {
    if (this.#failures.length > 0) throw this.#failures[0];
  }
}

/**
 * Has llvmpipe take two threads a core, where the environment may be set: a training program prepares the next step meanwhile,
 * and with one a core, as it has by itself, that stops half of it. Any other driver takes no notice.
 */
function splitFiner(): void {
  const variable = "LP_NUM_THREADS";
  if (Deno.permissions.querySync({ name: "env", variable }).state !== "granted") return;
  if (Deno.env.get(variable) === undefined) Deno.env.set(variable, String(2 * navigator.hardwareConcurrency));
}
