import castSource from "../shaders/cast.wgsl" with { type: "text" };
import epilogueSource from "../shaders/epilogue.wgsl" with { type: "text" };
import geluCurveSource from "../shaders/gelu_curve.wgsl" with { type: "text" };
import pcg4dSource from "../shaders/pcg4d.wgsl" with { type: "text" };
import storesElementsSource from "../shaders/stores_elements.wgsl" with { type: "text" };
import storesVectorsSource from "../shaders/stores_vectors.wgsl" with { type: "text" };
import workgroupSource from "../shaders/workgroup.wgsl" with { type: "text" };
import { defineShader, type Shader } from "./kernel.ts";

/** From one type of number to another. */
export const castShader: Shader = defineShader("cast.wgsl", castSource);

/** Which workgroup this is. */
export const workgroup: Shader = defineShader("workgroup.wgsl", workgroupSource);

/** The hash behind random numbers. */
export const pcg4d: Shader = defineShader("pcg4d.wgsl", pcg4dSource);

/** The curve of GELU and its slope. */
export const geluCurve: Shader = defineShader("gelu_curve.wgsl", geluCurveSource);

const storesVectors = defineShader("stores_vectors.wgsl", storesVectorsSource);
const storesElements = defineShader("stores_elements.wgsl", storesElementsSource);

/** How products store their results: rows of a multiple of 4 elements, and others. */
export const epilogues: { readonly vectors: Shader; readonly elements: Shader } = {
  vectors: defineShader("epilogue.wgsl", epilogueSource, [storesVectors, geluCurve, pcg4d]),
  elements: defineShader("epilogue.wgsl", epilogueSource, [storesElements, geluCurve, pcg4d]),
};
