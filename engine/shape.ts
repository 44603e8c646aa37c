import { WeftError } from "./weft_error.ts";

/** The number of elements of a tensor of the given shape; a scalar, shape `[]`, has one. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}

/** A shape as error messages print it: `(12, 128)`. */
export function formatShape(shape: readonly number[]): string {
  return `(${shape.join(", ")})`;
}

/** Whether two shapes are the same. */
export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((dimension, i) => dimension === b[i]);
}

/** Row-major strides of a shape, in elements. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= shape[i];
  }
  return strides;
}

/**
 * Checks that each of the named tensors has the expected shape.
 *
 * @throws {WeftError} naming the operation, the tensor and both shapes.
 */
export function expectShape(
  op: string,
  tensors: Record<string, { shape: readonly number[] }>,
  expected: readonly number[],
): void {
  for (const [name, tensor] of Object.entries(tensors)) {
    if (!sameShape(tensor.shape, expected)) {
      throw new WeftError(
        `Cannot run ${op} as ${name} is ${formatShape(tensor.shape)}: it must be ${formatShape(expected)}`,
      );
    }
  }
}

/**
 * Turns a possibly negative axis into an index from the front.
 *
 * @throws {WeftError} when the tensor has no such axis.
 */
export function resolveAxis(op: string, axis: number, shape: readonly number[]): number {
  const resolved = axis < 0 ? axis + shape.length : axis;
  if (!Number.isInteger(axis) || resolved < 0 || resolved >= shape.length) {
    throw new WeftError(
      `Cannot run ${op} along axis ${axis} as x is ${formatShape(shape)}: ` +
        (shape.length ? `the axis must be from ${-shape.length} to ${shape.length - 1}` : "it has no axes"),
    );
  }
  return resolved;
}

/**
 * The shape that two shapes broadcast to, by NumPy's rule: aligned at the last dimension, a dimension of 1
 * or a missing one stretches to the other's.
 *
 * @throws {WeftError} when a dimension differs and neither is 1.
 */
export function broadcastShapes(op: string, a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  const shape = new Array<number>(rank);
  for (let i = 1; i <= rank; i++) {
    const m = a.at(-i) ?? 1, n = b.at(-i) ?? 1;
    if (m !== n && m !== 1 && n !== 1) {
      throw new WeftError(
        `Cannot run ${op} as a is ${formatShape(a)} and b is ${formatShape(b)}: ` +
          `dimension ${-i} is ${m} and ${n}, which must agree or be 1`,
      );
    }
    shape[rank - i] = m === 1 ? n : m;
  }
  return shape;
}
