import source from "../shaders/adamw_grouped.wgsl" with { type: "text" };
import type { Gpu } from "../engine/gpu.ts";
import { defineShader, type Params } from "../engine/kernel.ts";
import { partOf } from "../engine/parts.ts";
import { copyToTexels, readsTexels, run } from "../engine/run.ts";
import { workgroup } from "../engine/shader_parts.ts";
import { type Tensor, zeros } from "../engine/tensor.ts";

const shader = defineShader("adamw_grouped.wgsl", source, [workgroup]);
const most = 7; // tensors of a dispatch: three buffers each, and five for all

/** A parameter as AdamW goes over it. */
export interface GroupedParameter {
  /** The parameter, whose `grad` is read. */
  readonly p: Tensor;
  /** How many partial sums its squares make. */
  readonly lanes: number;
  /** Where the first of these goes. */
  readonly firstPartial: number;
  /** Whether it decays. */
  readonly decays: boolean;
}

/** Both moments of a parameter. */
export interface Moments {
  /** The mean of gradients. */
  readonly m: Tensor;
  /** The mean of squared gradients. */
  readonly v: Tensor;
}

/** Parameters that are gone over together, with the moments of all one after another, and where those of each begin. */
interface Group extends Moments {
  readonly members: readonly GroupedParameter[];
  readonly firsts: readonly number[];
}

/** Goes over parameters up to seven at a time, where one dispatch for each would cost more than its work. */
export class TensorGroups {
  #gpu: Gpu;
  #groups: Group[] = [];
  #spare: Tensor[];

  /** Groups of these parameters, with moments of 0. */
  constructor(gpu: Gpu, parameters: readonly GroupedParameter[]) {
    this.#gpu = gpu;
    const left = [...parameters];
    while (left.length > 0) {
      const firsts: number[] = [];
      let size = 0;
      for (const { p } of left.slice(0, most)) {
        const end = size + Math.ceil(p.size / 64) * 64; // parts begin at multiples of 256 bytes
        if (firsts.length > 0 && 4 * end > gpu.bindingLimit) break;
        firsts.push(size);
        size = end;
      }
      const members = left.splice(0, firsts.length);
      const make = (which: string) =>
        zeros(gpu, [size], { label: `${which} moments of ${members[0].p.label} and others` });
      this.#groups.push({ members, firsts, m: make("first"), v: make("second") });
    }
    this.#spare = Array.from({ length: most }, (_, i) => zeros(gpu, [4], { label: `spare ${i}` }));
  }

  /** Whether an adapter takes groups: its shaders may have 26 storage buffers. */
  static suits(gpu: Gpu): boolean {
    return gpu.device.limits.maxStorageBuffersPerShaderStage >= 3 * most + 5 && gpu.forced.optimizer !== "single";
  }

  /** The moments of each parameter, in their order: parts of larger tensors. */
  get moments(): Moments[] {
    return this.#groups.flatMap(({ members, firsts, m, v }) =>
      members.map(({ p: { shape } }, i) => ({ m: partOf(m, firsts[i], shape), v: partOf(v, firsts[i], shape) }))
    );
  }

  /** Writes the partial sums of the squares of all gradients. */
  sumSquares(partial: Tensor): void {
    for (const { members } of this.#groups) {
      const tensors = { partial, ...slots("g", members.map(({ p }) => p.grad!)) };
      const loops = most + Math.max(...members.map(({ p, lanes }) => p.size / 4 / lanes)); // one round of each loop
      const counts = members.map(({ lanes }) => Math.ceil(lanes / 64));
      const rows = members.map(({ p, firstPartial, lanes }) => [p.size, firstPartial, lanes] as const);
      run(shader, "sum_squares", tensors, { loops, ...launch(counts, rows, none) });
    }
  }

  /** Takes the step of AdamW with the scale, rate and root of `state`. */
  update(state: Tensor, params: Params): void {
    copyToTexels(this.#groups.flatMap(({ m, v }) => [m, v]));
    for (const { members, firsts, m, v } of this.#groups) {
      const all = members.map(({ p }) => p), gradients = all.map((p) => p.grad!);
      const copied = readsTexels(this.#gpu, [...gradients, ...all, m, v]), [g] = gradients;
      // On llvmpipe a workgroup is one vector of lanes, and goes over so much that its beginning does not count.
      const LANES = copied ? 8 : 64, STRETCH = copied ? 1024 : 64;
      const counts = all.map(({ size }) => Math.ceil(size / (4 * STRETCH)));
      const rows = members.map(({ p, decays }, i) => [p.size, firsts[i] / 4, decays ? 1 : 0] as const);
      const tensors = {
        ...{ norm_and_scale: state, m, v, m_copy: copied ? m : g, v_copy: copied ? v : g },
        ...{ ...slots("g", gradients), ...slots("p", all, "", this.#spare) },
        ...slots("p", copied ? all : gradients, "_copy", gradients),
      };
      const constants = { COPIED: copied ? 1 : 0, LANES, STRETCH }, loops = most + STRETCH / LANES;
      run(shader, "update", tensors, { constants, loops, ...launch(counts, rows, params) });
    }
  }
}

/** What the parameters of adamw_grouped.wgsl are where only gradients are read. */
const none = { beta1: 0, one_minus_beta1: 0, beta2: 0, one_minus_beta2: 0, eps: 0, shrink: 0 };

/** Workgroups and parameters, from how many workgroups each tensor takes, its size, and two numbers more. */
function launch(
  counts: readonly number[],
  rows: readonly (readonly [size: number, place: number, last: number])[],
  params: Params,
): { workgroups: number; params: Params } {
  let workgroups = 0;
  const table = rows.flatMap(([size, ...rest], i) => {
    const first = workgroups;
    workgroups += counts[i];
    return [size, first, ...rest];
  });
  return { workgroups, params: { ...params, rows: table, count: rows.length } };
}

/** Tensors by slot: those given, then spare ones; of what is only read one may serve in several. */
function slots(name: string, own: readonly Tensor[], end = "", spare = own): Record<string, Tensor> {
  const all = Array.from({ length: most }, (_, i) => own[i] ?? spare[i] ?? spare[0]);
  return Object.fromEntries(all.map((each, i) => [`${name}${i}${end}`, each]));
}
