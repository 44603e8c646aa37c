import { backwardFrom } from "./backward.ts";
import { record, recording, Scope } from "./scope.ts";
import { Tensor } from "./tensor.ts";

/**
 * Activation checkpointing (Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016): computes `block(x)` without
 * keeping anything for its gradient, and computes it once more when that is due. Memory falls from all activations of
 * the block to its output, for one more forward pass.
 *
 * `block` must compute the same both times: what is random in it takes its keys from outside. Its gradients for tensors
 * other than `x` go to leaves, such as parameters; intermediate results from outside cannot be used in it.
 *
 * @example
 * ```ts
 * import { Gpu } from "./gpu.ts";
 * import { Scope } from "./scope.ts";
 * import { tensor } from "./tensor.ts";
 * import { backward } from "./backward.ts";
 * import { checkpointed } from "./checkpointed.ts";
 * import { mul } from "./ops/binary.ts";
 * import { sum } from "./ops/reduce.ts";
 *
 * using gpu = await Gpu.open();
 * const x = tensor(gpu, [1, 2, 3], [3], { requiresGrad: true });
 * using _ = new Scope(gpu, { grad: true });
 * backward(sum(checkpointed(x, (x) => mul(mul(x, x), x)))); // d/dx Σ x³ = 3x²
 * console.log(await x.grad!.read()); // Float32Array [3, 12, 27]
 * ```
 */
export function checkpointed(x: Tensor, block: (x: Tensor) => Tensor): Tensor {
  const { gpu } = x;
  if (!recording(gpu, [x])) return block(x);
  const outer = Scope.current(gpu)!;
  let y!: Tensor;
  outer.pause(() => {
    using inner = new Scope(gpu);
    y = block(x);
    inner.release(y.storage);
    outer.own(y.storage, true);
  });
  return record(y, [x], (dy) => {
    using _ = new Scope(gpu, { grad: true });
    const leaf = new Tensor(gpu, x.storage, x.shape, { dtype: x.dtype, requiresGrad: true, label: x.label });
    backwardFrom(block(leaf), dy);
    outer.own(leaf.grad!.storage, true);
    return [leaf.grad];
  });
}
