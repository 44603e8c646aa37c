import { formatBytes, type StorageForm, texelBytes, type TexelForm } from "./buffer_pool.ts";
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
  const { gpu } = tensors[names[0]], { recorder } = gpu;
  const halves = names.map((name) => tensors[name].dtype === "f16"), forms = formsOf(gpu, shader, tensors);
  const kernel = gpu.kernels.get(shader, entry, names, launch.constants, halves, forms);
  const storages = names.map((name) => tensors[name].storage);
  const ranges = names.map((name, i) => forms[i] === "buffer" ? rangeOf(kernel.label, name, tensors[name]) : undefined);
  for (let i = 0; i < storages.length; i++) {
    for (let j = 0; j < storages.length; j++) {
      if (i === j || storages[i] !== storages[j] || !kernel.writable[i]) continue;
      // As a texture it is read as it was before, where a shader says that this is what it wants.
      if (kernel.forms[j] !== "buffer" && names[j] === `${names[i]}_copy`) continue;
      throw new WeftError(`${kernel.label} writes ${names[i]} and reads it as ${names[j]}: they must be two tensors`);
    }
  }
  if (launch.loops !== undefined && launch.loops > gpu.loopLimit) {
    throw new WeftError(
      `Cannot run ${kernel.label} on ${gpu.info.description}: an invocation would take ${launch.loops} rounds of loops ` +
        `and this driver stops at ${gpu.loopLimit}, with wrong results; make the tensors smaller or use a GPU`,
    );
  }
  for (let i = 0; i < storages.length; i++) if (!kernel.writable[i]) recorder.read(storages[i], kernel.forms[i]);
  for (let i = 0; i < storages.length; i++) if (kernel.writable[i]) recorder.write(storages[i]);
  if (recorder.rehearsal) {
    const bytes = new Map(
      names.map((name, i) => [storages[i], bytesPerElement(tensors[name].dtype) * tensors[name].size]),
    );
    const sum = [...bytes.values()].reduce((sum, each) => sum + each, 0);
    recorder.rehearsal.push({ kernel: kernel.label, flops: launch.flops ?? 0, bytes: sum });
    return;
  }
  const grid = fold(
    launch.workgroups ?? Math.ceil(launch.threads! / kernel.workgroupSize),
    gpu.gridLimit,
  );
  if (grid.every((count) => count > 0)) recorder.dispatch(kernel, storages, ranges, launch.params ?? {}, grid);
}

/** Below so many bytes a dispatch is short, and copies into textures take longer than they save. */
const fewBytes = 1 << 16;

/** The texture that a tensor may be read from, where that is faster than its buffer. */
function texelForm({ gpu, dtype, offset, storage }: Tensor): TexelForm | undefined {
  const form = dtype === "f32" ? "rgba32float" : dtype === "f16" ? "rgba16float" : undefined;
  if (gpu.forced.loads === "buffers" || form === undefined || offset > 0) return undefined;
  return storage.bytes <= gpu.texelLimit * texelBytes(form) ? form : undefined;
}

/**
 * Whether a dispatch that reads these tensors reads all of them as textures: then it may write one as well, which its shader names
 * `x` where it writes it and `x_copy` where it reads it as it was before.
 */
export function readsTexels(gpu: Gpu, tensors: readonly Tensor[]): boolean {
  const bytes = tensors.reduce((sum, { size, dtype }) => sum + bytesPerElement(dtype) * size, 0);
  return tensors.every(texelForm) && (bytes >= fewBytes || gpu.forced.loads === "texels");
}

/**
 * Makes at once the copies that dispatches would make which read these tensors as textures: in a row they take a fifth of the time.
 */
export function copyToTexels(tensors: readonly Tensor[]): void {
  const own = tensors.filter(texelForm);
  if (own.length > 0 && readsTexels(own[0].gpu, own)) {
    for (const tensor of own) tensor.gpu.recorder.read(tensor.storage, texelForm(tensor)!);
  }
}

/**
 * As what a dispatch binds its tensors: as textures where that is faster, as llvmpipe loads from buffers element by element and lane
 * by lane, at some 37 cycles each, and a texel of four at once.
 */
function formsOf(gpu: Gpu, shader: Shader, tensors: Readonly<Record<string, Tensor>>): StorageForm[] {
  const names = gpu.texelLimit > 0 ? gpu.kernels.texelNames(shader) : undefined;
  const forms = Object.entries(tensors).map(([name, tensor]) => names?.has(name) && texelForm(tensor) || "buffer");
  const read = Object.values(tensors).filter((_, i) => forms[i] !== "buffer");
  return readsTexels(gpu, read) ? forms : forms.map(() => "buffer");
}

/** The part of its memory that a tensor takes, where it is not all of it, or all of it cannot be bound. */
function rangeOf(
  label: string,
  name: string,
  { gpu, storage, offset, size, dtype, shape }: Tensor,
): BufferRange | undefined {
  if (offset === 0 && storage.bytes <= gpu.bindingLimit) return undefined;
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
