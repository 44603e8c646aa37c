import { type Storage, type StorageForm, texelBytes, type TexelForm, texelsPerRow } from "./buffer_pool.ts";
import type { Kernel, Params } from "./kernel.ts";
import { WeftError } from "./weft_error.ts";

/** What one kernel took on the GPU, summed over its dispatches. */
export interface KernelTime {
  /** `softmax.wgsl/forward`. */
  readonly kernel: string;
  /** Number of dispatches. */
  readonly dispatches: number;
  /** Time on the GPU, in milliseconds. */
  readonly milliseconds: number;
}

/** A dispatch, and what bounds its time. */
export interface Dispatch {
  /** `softmax.wgsl/forward`. */
  readonly kernel: string;
  /** Operations; 0 where memory is what bounds it. */
  readonly flops: number;
  /** Bytes of the tensors that it reads or writes. */
  readonly bytes: number;
}

/** A part of a buffer, in bytes. */
export interface BufferRange {
  /** Where it begins. */
  readonly offset: number;
  /** How long it is. */
  readonly bytes: number;
}

const ringBytes = 1 << 20;
const queryCapacity = 4096; // the most that WebGPU allows in one query set

/**
 * Records dispatches into one open compute pass and submits them together. Parameters go through one uniform
 * ring, written once per submission and bound with dynamic offsets; bind groups are cached by kernel and buffers.
 * (Measured in Deno: a bind group costs 13–31 µs to create, a dispatch in an open pass under 1 µs.)
 */
export class Recorder {
  #device: GPUDevice;
  #encoder: GPUCommandEncoder | undefined;
  #pass: GPUComputePassEncoder | undefined;
  #bindGroups = new Map<string, GPUBindGroup>();
  #ring: GPUBuffer;
  #ringData = new ArrayBuffer(ringBytes);
  #ringView = new DataView(this.#ringData);
  #ringUsed = 0;
  #alignment: number;
  #profile: { set: GPUQuerySet; labels: string[]; pending: Promise<KernelTime[]>[] } | undefined;
  /** While this is set, it receives what would be dispatched, and nothing reaches the GPU. */
  rehearsal: Dispatch[] | undefined;
  /** What storages were before a rehearsal wrote or copied them. */
  #before = new Map<Storage, Pick<Storage, "copied" | "generation">>();
  /** Number of the submission that is being recorded. */
  submission = 0;

  /** A recorder for a device. */
  constructor(device: GPUDevice) {
    this.#device = device;
    this.#alignment = Math.max(16, device.limits.minUniformBufferOffsetAlignment);
    this.#ring = device.createBuffer({
      label: "uniform ring",
      size: ringBytes,
      usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    });
  }

  /** Appends a dispatch of `grid` workgroups. `ranges` holds the parts of the storages that are bound, where not all is. */
  dispatch(
    kernel: Kernel,
    storages: readonly Storage[],
    ranges: readonly (BufferRange | undefined)[],
    params: Params,
    grid: readonly number[],
  ): void {
    if (this.#ringUsed + kernel.paramsBytes + this.#alignment > ringBytes) this.submit();
    if (this.#profile && this.#profile.labels.length * 2 === queryCapacity) this.submit();
    const pass = this.#openPass(kernel.label);
    pass.setPipeline(kernel.pipeline);
    const offset = this.#ringUsed;
    if (kernel.uniformIndex === undefined) {
      pass.setBindGroup(0, this.#bindGroup(kernel, storages, ranges));
    } else {
      kernel.writeParams(this.#ringView, offset, params);
      this.#ringUsed = offset + Math.ceil(kernel.paramsBytes / this.#alignment) * this.#alignment;
      pass.setBindGroup(0, this.#bindGroup(kernel, storages, ranges), [offset]);
    }
    pass.dispatchWorkgroups(grid[0], grid[1] ?? 1, grid[2] ?? 1);
    for (const storage of storages) storage.usedIn = this.submission;
  }

  /** Appends a copy between buffers. It ends the open pass, which costs 3–21 µs. */
  copy(from: Storage, fromOffset: number, to: Storage | GPUBuffer, toOffset: number, bytes: number): void {
    from.use("buffer");
    if ("use" in to) this.write(to);
    if (this.rehearsal) return;
    this.#endPass();
    this.#encoder ??= this.#device.createCommandEncoder();
    const buffer = "use" in to ? to.buffer : to;
    this.#encoder.copyBufferToBuffer(from.buffer, fromOffset, buffer, toOffset, bytes);
    from.usedIn = this.submission;
    if ("use" in to) to.usedIn = this.submission;
  }

  /** Makes ready what a kernel reads of a storage: the texture is copied, unless it was since the buffer was last written. */
  read(storage: Storage, form: StorageForm): void {
    storage.use(form);
    if (form === "buffer" || storage.copied === form) return;
    this.#mark(storage, form);
    this.#copyToTexture(storage, form);
  }

  /** Makes a buffer ready for what writes some of it next. */
  write(storage: Storage): void {
    storage.use("buffer");
    this.#mark(storage, undefined);
  }

  #mark(storage: Storage, copied: TexelForm | undefined): void {
    const { generation } = storage;
    if (this.rehearsal && !this.#before.has(storage)) this.#before.set(storage, { copied: storage.copied, generation });
    storage.copied = copied;
  }

  #copyToTexture(storage: Storage, form: TexelForm): void {
    const { bytes } = storage, label = "copy to texture";
    if (this.rehearsal) return void this.rehearsal.push({ kernel: label, flops: 0, bytes: 2 * bytes });
    if (this.#profile && this.#profile.labels.length * 2 === queryCapacity) this.submit();
    this.#endPass();
    const encoder = this.#encoder ??= this.#device.createCommandEncoder();
    // Only passes have timestamps: an empty one before and after.
    const index = this.#profile ? this.#profile.labels.push(label) - 1 : 0, querySet = this.#profile?.set;
    const stamp = (timestampWrites: Omit<GPUComputePassTimestampWrites, "querySet">) => {
      if (querySet) encoder.beginComputePass({ timestampWrites: { querySet, ...timestampWrites } }).end();
    };
    stamp({ endOfPassWriteIndex: index * 2 });
    const texels = bytes / texelBytes(form), rows = Math.floor(texels / texelsPerRow);
    const texture = storage.texture(form), bytesPerRow = texelsPerRow * texelBytes(form);
    const copyRows = (first: number, width: number, height: number) => {
      const buffer = { buffer: storage.buffer, offset: first * bytesPerRow, bytesPerRow };
      encoder.copyBufferToTexture(buffer, { texture, origin: [0, first] }, [width, height]);
    };
    if (rows > 0) copyRows(0, texelsPerRow, rows);
    if (texels > rows * texelsPerRow) copyRows(rows, texels - rows * texelsPerRow, 1);
    stamp({ beginningOfPassWriteIndex: index * 2 + 1 });
    storage.usedIn = this.submission;
  }

  /** Submits what was recorded. */
  submit(): void {
    this.#endPass();
    if (this.#encoder === undefined) return;
    const read = this.#resolveProfile();
    if (this.#ringUsed > 0) this.#device.queue.writeBuffer(this.#ring, 0, this.#ringData, 0, this.#ringUsed);
    this.#device.queue.submit([this.#encoder.finish()]);
    this.#encoder = undefined;
    this.#ringUsed = 0;
    this.submission++;
    read?.();
  }

  /** Runs `work` with everything that it would dispatch or copy left out, and returns that. */
  rehearse(work: () => void): Dispatch[] {
    this.submit();
    const dispatches: Dispatch[] = this.rehearsal = [];
    try {
      work();
    } finally {
      this.rehearsal = undefined;
      for (const [storage, { copied, generation }] of this.#before) {
        if (storage.generation === generation) storage.copied = copied;
      }
      this.#before.clear();
    }
    return dispatches;
  }

  /**
   * From here on each dispatch has a pass of its own with timestamps, which costs time: for profiles only.
   *
   * @throws {WeftError} when the adapter has no timestamp queries.
   */
  startProfile(): void {
    if (!this.#device.features.has("timestamp-query")) {
      throw new WeftError(
        "This adapter has no timestamp queries: the time of single kernels cannot be measured",
      );
    }
    this.submit();
    const set = this.#device.createQuerySet({ type: "timestamp", count: queryCapacity });
    this.#profile = { set, labels: [], pending: [] };
  }

  /** Ends the profile: GPU time per kernel, the longest first. */
  async stopProfile(): Promise<KernelTime[]> {
    this.submit();
    const profile = this.#profile;
    this.#profile = undefined;
    const totals = new Map<string, { dispatches: number; milliseconds: number }>();
    for (const times of await Promise.all(profile?.pending ?? [])) {
      for (const { kernel, dispatches, milliseconds } of times) {
        const total = totals.get(kernel) ?? { dispatches: 0, milliseconds: 0 };
        total.dispatches += dispatches;
        total.milliseconds += milliseconds;
        totals.set(kernel, total);
      }
    }
    profile?.set.destroy();
    return [...totals].map(([kernel, total]) => ({ kernel, ...total }))
      .sort((a, b) => b.milliseconds - a.milliseconds);
  }

  #openPass(label: string): GPUComputePassEncoder {
    this.#encoder ??= this.#device.createCommandEncoder();
    if (this.#profile) {
      this.#endPass();
      const index = this.#profile.labels.push(label) - 1;
      this.#pass = this.#encoder.beginComputePass({
        timestampWrites: {
          querySet: this.#profile.set,
          beginningOfPassWriteIndex: index * 2,
          endOfPassWriteIndex: index * 2 + 1,
        },
      });
    }
    return this.#pass ??= this.#encoder.beginComputePass();
  }

  #endPass(): void {
    this.#pass?.end();
    this.#pass = undefined;
  }

  /** How many bind groups are kept. */
  get bindGroups(): number {
    return this.#bindGroups.size;
  }

  #bindGroup(kernel: Kernel, storages: readonly Storage[], ranges: readonly (BufferRange | undefined)[]): GPUBindGroup {
    let key = "" + kernel.id;
    for (let i = 0; i < storages.length; i++) {
      key += "," + storages[i].id;
      const range = ranges[i];
      if (range !== undefined) key += "@" + range.offset + ":" + range.bytes;
    }
    let group = this.#bindGroups.get(key);
    if (group === undefined) {
      const entries: GPUBindGroupEntry[] = storages.map((storage, i) => ({
        binding: kernel.storageIndices[i],
        resource: kernel.forms[i] === "buffer"
          ? { buffer: storage.buffer, offset: ranges[i]?.offset ?? 0, size: ranges[i]?.bytes }
          : storage.texture(kernel.forms[i]).createView(),
      }));
      if (kernel.uniformIndex !== undefined) {
        const resource = { buffer: this.#ring, offset: 0, size: kernel.paramsBytes };
        entries.push({ binding: kernel.uniformIndex, resource });
      }
      group = this.#device.createBindGroup({ label: kernel.label, layout: kernel.layout, entries });
      this.#bindGroups.set(key, group);
    }
    return group;
  }

  /** Copies the timestamps of this submission out; the function that is returned reads them once it is submitted. */
  #resolveProfile(): (() => void) | undefined {
    const profile = this.#profile;
    if (profile === undefined || profile.labels.length === 0) return undefined;
    const labels = profile.labels;
    profile.labels = [];
    const bytes = labels.length * 16;
    const device = this.#device;
    const resolved = device.createBuffer({
      size: bytes,
      usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
    });
    const staging = device.createBuffer({
      size: bytes,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
    this.#encoder!.resolveQuerySet(profile.set, 0, labels.length * 2, resolved, 0);
    this.#encoder!.copyBufferToBuffer(resolved, 0, staging, 0, bytes);
    return () => {
      profile.pending.push(
        staging.mapAsync(GPUMapMode.READ).then(() => {
          const stamps = new BigUint64Array(staging.getMappedRange().slice(0));
          staging.destroy();
          resolved.destroy();
          return labels.map((kernel, i) => ({
            kernel,
            dispatches: 1,
            milliseconds: Number(stamps[2 * i + 1] - stamps[2 * i]) / 1e6,
          }));
        }),
      );
    };
  }
}
