import { formatBytes, type Storage } from "./buffer_pool.ts";
import type { BufferRange } from "./recorder.ts";
import { formatShape } from "./shape.ts";
import type { Constants, Params, Shader } from "./kernel.ts";
import { bytesPerElement } from "./host_tensor.ts";
import type { Gpu } from "./gpu.ts";
import type { Tensor } from "./tensor.ts";
import { WeftError } from "./weft_error.ts";

/** How an entry point is launched: over how many invocations or workgroups, and with which numbers. */
export interface Launch {
  /** Invocations that are needed; workgroups are counted from it, and folded into two dimensions where they must. */
  readonly threads?: number;
  /** Workgroups that are needed, where a kernel counts in those; folded like `threads`. */
  readonly workgroups?: number;
  /** Workgroups in x, y and z, where the kernel wants them as they are. */
  readonly grid?: readonly number[];
  /** Rounds of loops that the longest invocation takes, where that grows with the shapes. */
  readonly loops?: number;
  /** Operations, where they are what bounds the kernel and not memory: for `Gpu.rehearse`. */
  readonly flops?: number;
  /** Values of the shader's `Params`, by field. */
  readonly params?: Params;
  /** Values of overrides and tunable constants. */
  readonly constants?: Constants;
}

/**
 * Appends one dispatch of a shader's entry point. Tensors are bound to the shader's storage variables by name.
 *
 * A kernel finds its index as `id.x + id.y * (groups.x * WORKGROUP_SIZE)` and returns at once beyond the end.
 *
 * @throws {WeftError} when a name does not exist, when a tensor that is written is bound twice, when one is larger than a
 * binding, or when the adapter's limit of loops is passed.
 */
export function run(
  shader: Shader,
  entry: string,
  tensors: Readonly<Record<string, Tensor>>,
  launch: Launch,
): void {
  const names = Object.keys(tensors);
  const { gpu } = tensors[names[0]];
  const halves = names.map((name) => tensors[name].dtype === "f16"), texels = asTexels(gpu, shader, tensors);
  const kernel = gpu.kernels.get(shader, entry, names, launch.constants, halves, names.map((name) => texels.has(name)));
  const storages: Storage[] = [], ranges: (BufferRange | undefined)[] = [];
  for (const name of names) {
    const copy = texels.get(name);
    storages.push(copy ?? tensors[name].storage);
    ranges.push(copy ? undefined : rangeOf(kernel.label, name, tensors[name]));
  }
  for (let i = 0; i < storages.length; i++) {
    for (let j = i + 1; j < storages.length; j++) {
      if (storages[i] === storages[j] && (kernel.writable[i] || kernel.writable[j])) {
        throw new WeftError(
          `${kernel.label} writes ${names[i]} and reads it as ${names[j]}: they must be two tensors`,
        );
      }
    }
  }
  if (launch.loops !== undefined && launch.loops > gpu.loopLimit) {
    throw new WeftError(
      `Cannot run ${kernel.label} on ${gpu.info.description}: an invocation would take ${launch.loops} rounds of loops ` +
        `and this driver stops at ${gpu.loopLimit}, with wrong results; make the tensors smaller or use a GPU`,
    );
  }
  if (gpu.recorder.rehearsal) {
    const bytes = new Map(
      names.map((name, i) => [storages[i], bytesPerElement(tensors[name].dtype) * tensors[name].size]),
    );
    const sum = [...bytes.values()].reduce((sum, each) => sum + each, 0);
    gpu.recorder.rehearsal.push({ kernel: kernel.label, flops: launch.flops ?? 0, bytes: sum });
    return;
  }
  const grid = launch.grid ?? fold(
    launch.workgroups ?? Math.ceil(launch.threads! / kernel.workgroupSize),
    gpu.device.limits.maxComputeWorkgroupsPerDimension,
  );
  if (grid.every((count) => count > 0)) gpu.recorder.dispatch(kernel, storages, ranges, launch.params ?? {}, grid);
}

/** Below so many bytes a dispatch is short, and copies into textures take longer than they save. */
const fewBytes = 1 << 16;

/**
 * Copies what a shader reads as vec4s into textures, where that is faster: llvmpipe reads buffers element by element and lane by
 * lane, at some 37 cycles each, and a texel of four at once. Returns the textures by name, borrowed until the dispatch is
 * recorded.
 */
function asTexels(gpu: Gpu, shader: Shader, tensors: Readonly<Record<string, Tensor>>): Map<string, Storage> {
  const texels = new Map<string, Storage>(), { loads } = gpu.forced;
  if (!gpu.readsTexels || loads === "buffers") return texels;
  const vectors = gpu.kernels.readsVectors(shader);
  const candidates = Object.entries(tensors).filter(([name, { dtype, offset, storage }]) =>
    vectors.has(name) && dtype === "f32" && offset % 4 === 0 && !storage.texture
  );
  const bytes = candidates.reduce((sum, [, { size }]) => sum + 4 * size, 0);
  if (loads !== "texels" && bytes < fewBytes) return texels;
  // Those first whose copies are there still, so that none of them is taken for another.
  const copies = new Map<string, Storage>(),
    keyOf = ({ storage, offset, size }: Tensor) => `${storage.id} ${offset} ${size}`;
  const find = (x: Tensor, take: () => Storage | undefined) => {
    const copy = copies.get(keyOf(x)) ?? take();
    if (copy) copies.set(keyOf(x), copy);
  };
  const real = gpu.recorder.rehearsal ? [] : candidates; // a rehearsal copies everything
  for (const [, x] of real) find(x, () => gpu.pool.takeCopy(x.storage, 4 * x.offset, 4 * x.size));
  for (const [name, x] of candidates) {
    find(x, () => {
      const copy = gpu.pool.takeTexture(4 * x.size, x.storage);
      if (copy) gpu.recorder.copyToTexture(x.storage, 4 * x.offset, copy, 4 * x.size);
      return copy; // unless it is too large for a texture
    });
    const copy = copies.get(keyOf(x));
    if (copy) texels.set(name, copy);
  }
  for (const copy of copies.values()) gpu.pool.give(copy); // none is taken for another before this dispatch is recorded
  return texels;
}

/** The part of its memory that a tensor takes, where it is not all of it, or all of it cannot be bound. */
function rangeOf(
  label: string,
  name: string,
  { gpu, storage, offset, size, dtype, shape }: Tensor,
): BufferRange | undefined {
  if ((offset === 0 && storage.bytes <= gpu.bindingLimit) || storage.texture) return undefined;
  const element = bytesPerElement(dtype), bytes = Math.ceil(size * element / 16) * 16;
  if (bytes > gpu.bindingLimit) {
    throw new WeftError(
      `Cannot run ${label} as ${name} ${formatShape(shape)} needs ${
        formatBytes(bytes)
      } in one binding and this adapter ` +
        `allows ${formatBytes(gpu.bindingLimit)}: make it ${(bytes / gpu.bindingLimit).toFixed(1)} times smaller`,
    );
  }
  return { offset: offset * element, bytes };
}

/** Workgroups as a grid of at most `limit` in each dimension, wasting fewer than one row. */
function fold(workgroups: number, limit: number): readonly number[] {
  if (workgroups <= limit) return [workgroups];
  const rows = Math.ceil(workgroups / limit);
  return [Math.ceil(workgroups / rows), rows];
}
