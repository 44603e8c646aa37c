import source from "../shaders/tickets.wgsl" with { type: "text" };
import type { Gpu } from "./gpu.ts";
import { defineShader, type Shader } from "./kernel.ts";
import { workgroup } from "./shader_parts.ts";
import { Tensor } from "./tensor.ts";

/** How workgroups take tiles in turns. */
export const tickets: Shader = defineShader("tickets.wgsl", source, [workgroup]);

/** How a dispatch is launched whose workgroups take tiles in turns. */
export interface Turns {
  /** Workgroups: four a core, or more where those may not take all tiles. */
  readonly workgroups: number;
  /** Tiles that a workgroup takes at most, which keeps its rounds of loops below the adapter's limit. */
  readonly share: number;
  /** The counters that `tickets.wgsl` binds by this name. */
  readonly tensors: { readonly tickets: Tensor };
}

/** So many tiles, of so many rounds of loops each, for a shader with the part `tickets.wgsl`. */
export function inTurns(gpu: Gpu, tiles: number, rounds: number): Turns {
  const share = Math.max(1, Math.floor(Math.min(gpu.loopLimit, 2 ** 31) / (rounds + 16)));
  const workgroups = Math.max(Math.min(tiles, 4 * navigator.hardwareConcurrency), Math.ceil(tiles / share));
  return { workgroups, share, tensors: { tickets: new Tensor(gpu, gpu.tickets, [2], { dtype: "u32" }) } };
}
