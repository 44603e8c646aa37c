/** The ways to compute a matrix product: register tiles, rows, or tiles in workgroup memory of 64 or 128 each way. */
export const productVariants = [
  "registers",
  "vector",
  "vector split",
  "workgroup 1×1",
  "workgroup 1×2",
  "workgroup 2×1",
  "workgroup 2×2",
] as const;

/** A way to compute a matrix product. */
export type ProductVariant = typeof productVariants[number];

/** The ways to compute attention: four queries or one per invocation. */
export const attentionVariants = ["blocks", "rows"] as const;

/** A way to compute attention. */
export type AttentionVariant = typeof attentionVariants[number];
