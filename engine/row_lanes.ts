import source from "../shaders/row_lanes.wgsl" with { type: "text" };
import type { Gpu } from "./gpu.ts";
import { defineShader, type Shader } from "./kernel.ts";
import type { Launch } from "./run.ts";
import { workgroup } from "./shader_parts.ts";

/** Reductions over the lanes that share a row. */
export const rowLanes: Shader = defineShader("row_lanes.wgsl", source, [workgroup]);

/** The ways to reduce rows: one invocation each, or a workgroup that shares one. */
export const rowVariants = ["single", "shared"] as const;

/**
 * Which entry point reduces `rows` rows, and how it is launched: `entry` with an invocation per row on CPU adapters, where
 * a barrier costs more than a row; `entry`_shared with a workgroup per row elsewhere, where neighbours should read
 * neighbours. `loops` are the rounds that one invocation takes for a row.
 */
export function byRow(gpu: Gpu, entry: string, rows: number, loops: number): { entry: string; launch: Launch } {
  const variant = gpu.forced.rows ?? (gpu.isCpu ? "single" : "shared");
  if (variant === "single") return { entry, launch: { threads: rows, loops } };
  return { entry: `${entry}_shared`, launch: { workgroups: rows, loops: loops / 64 } };
}
