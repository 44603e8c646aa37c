import source from "../shaders/adamw_grouped.wgsl" with { type: "text" };
import type { Gpu } from "../engine/gpu.ts";
import { defineShader, type Params } from "../engine/kernel.ts";
import { run } from "../engine/run.ts";
import { invocation } from "../engine/shader_parts.ts";
import { type Tensor, tensor, zeros } from "../engine/tensor.ts";

const shader = defineShader("adamw_grouped.wgsl", source, [invocation]);
const most = 7; // tensors of a dispatch: four buffers each, and three for all

/** A parameter as AdamW goes over it. */
export interface GroupedParameter {
  /** The parameter, whose `grad` is read. */
  readonly p: Tensor;
  /** Its moments. */
  readonly m: Tensor;
  /** Likewise. */
  readonly v: Tensor;
  /** How many partial sums its squares make, and where the first one goes. */
  readonly lanes: number;
  /** Likewise. */
  readonly firstPartial: number;
  /** Whether it decays. */
  readonly decays: boolean;
}

/** Goes over parameters up to seven at a time, where one dispatch for each would cost more than its work. */
export class TensorGroups {
  #groups: { first: number; members: GroupedParameter[]; sums: number; updates: number }[] = [];
  #table: Tensor;
  #spare: Tensor[];
  #count: number;

  /** Groups of these parameters. */
  constructor(gpu: Gpu, parameters: readonly GroupedParameter[]) {
    const sums: number[][] = [], updates: number[][] = [];
    for (let first = 0; first < parameters.length; first += most) {
      const members = parameters.slice(first, first + most);
      let sum = 0, update = 0;
      for (const { p, lanes, firstPartial, decays } of members) {
        sums.push([p.size, sum, firstPartial, lanes]);
        updates.push([p.size, update, 0, decays ? 1 : 0]);
        sum += Math.ceil(lanes / 64);
        update += Math.ceil(p.size / 256);
      }
      this.#groups.push({ first, members, sums: sum, updates: update });
    }
    this.#count = parameters.length;
    const table = new Uint32Array([...sums, ...updates].flat());
    this.#table = tensor(gpu, table, [table.length / 4, 4], { label: "groups of parameters" });
    this.#spare = Array.from({ length: 3 * most }, (_, i) => zeros(gpu, [4], { label: `spare ${i}` }));
  }

  /** Whether an adapter takes groups: its shaders may have 31 storage buffers. */
  static suits(gpu: Gpu): boolean {
    return gpu.device.limits.maxStorageBuffersPerShaderStage >= 4 * most + 3 && gpu.forced.optimizer !== "single";
  }

  /** Whether it gains by updating them so; norms it does in any case. */
  static suitsUpdates(gpu: Gpu): boolean {
    return gpu.forced.optimizer === "grouped" || !gpu.isCpu;
  }

  /** Writes the partial sums of the squares of all gradients. */
  sumSquares(partial: Tensor): void {
    for (const { first, members, sums: workgroups } of this.#groups) {
      const tensors = { table: this.#table, partial, ...slots("g", members.map(({ p }) => p.grad!)) };
      const loops = most + Math.max(...members.map(({ p, lanes }) => p.size / 4 / lanes)); // one round of each loop
      run(shader, "sum_squares", tensors, { workgroups, loops, params: { ...none, first, count: members.length } });
    }
  }

  /** Takes the step of AdamW with the scale, rate and root of `state`. */
  update(state: Tensor, params: Params): void {
    for (const { first, members, updates: workgroups } of this.#groups) {
      const count = members.length,
        own = (name: "p" | "m" | "v", at: number) =>
          slots(name, members.map((member) => member[name]), this.#spare.slice(at * most));
      const tensors = {
        ...{ table: this.#table, norm_and_scale: state, ...slots("g", members.map(({ p }) => p.grad!)) },
        ...{ ...own("p", 0), ...own("m", 1), ...own("v", 2) },
      };
      run(shader, "update", tensors, { workgroups, params: { ...params, first: this.#count + first, count } });
    }
  }
}

/** What the parameters of adamw_grouped.wgsl are where only gradients are read. */
const none = { beta1: 0, one_minus_beta1: 0, beta2: 0, one_minus_beta2: 0, eps: 0, lr: 0, decay: 0 };

/** Tensors by slot: those given, then spare ones; of what is only read one may serve in several. */
function slots(name: string, tensors: readonly Tensor[], spare?: readonly Tensor[]): Record<string, Tensor> {
  const all = Array.from({ length: most }, (_, i) => tensors[i] ?? spare?.[i] ?? tensors[0]);
  return Object.fromEntries(all.map((each, i) => [`${name}${i}`, each]));
}
