import castSource from "../shaders/cast.wgsl" with { type: "text" };
import epilogueSource from "../shaders/epilogue.wgsl" with { type: "text" };
import geluCurveSource from "../shaders/gelu_curve.wgsl" with { type: "text" };
import pcg4dSource from "../shaders/pcg4d.wgsl" with { type: "text" };
import { defineShader, type Shader } from "./kernel.ts";

/** From one type of number to another. */
export const castShader: Shader = defineShader("cast.wgsl", castSource);

/** The hash behind random numbers. */
export const pcg4d: Shader = defineShader("pcg4d.wgsl", pcg4dSource);

/** The curve of GELU and its slope. */
export const geluCurve: Shader = defineShader("gelu_curve.wgsl", geluCurveSource);

/** How products store their results. */
export const epilogue: Shader = defineShader("epilogue.wgsl", epilogueSource, [geluCurve, pcg4d]);
