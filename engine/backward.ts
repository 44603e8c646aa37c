import type { Storage } from "./buffer_pool.ts";
import { copy, fill } from "./ops/copy.ts";
import { accumulate } from "./ops/binary.ts";
import { reshape } from "./ops/layout.ts";
import { Scope } from "./scope.ts";
import { formatShape, sameShape } from "./shape.ts";
import type { Tensor } from "./tensor.ts";
import { WeftError } from "./weft_error.ts";

/** What `backward` may be told. */
export interface BackwardOptions {
  /** The gradient of the loss itself: 1 / steps when gradients accumulate over steps. Default: 1. */
  readonly scale?: number | Tensor;
  /** Tensors besides the loss that are read afterwards, such as the logits: their memory is not given back. */
  readonly keep?: readonly Tensor[];
}

/**
 * Reverse-mode differentiation: pops the tape of the innermost scope and adds the gradient of `loss` with respect
 * to each leaf that requires one to that leaf's `grad`. The first gradient after `zeroGrad` is taken over as it
 * is, later ones are added.
 *
 * Each activation's memory returns to the pool as soon as nothing can read it, so that the peak is the forward
 * pass's. An operation on the tape can only read what existed when it ran; so once its backward has run, what it
 * allocated itself is free.
 *
 * @throws {WeftError} when the loss is not one number, or was not made by recorded operations.
 */
export function backward(loss: Tensor, options: BackwardOptions = {}): void {
  const scope = Scope.current(loss.gpu);
  if (loss.size !== 1) {
    throw new WeftError(
      `Cannot run backward from ${loss.label} ${formatShape(loss.shape)}: the loss must be one number`,
    );
  }
  if (!scope?.grad || loss.node === undefined || !scope.tape.includes(loss.node)) {
    throw new WeftError(
      "Cannot run backward: the loss was not computed from tensors that require gradients inside the innermost " +
        "`using scope = new Scope(gpu, { grad: true })`",
    );
  }
  const pass = new BackwardPass(scope, [loss, ...options.keep ?? []].map(({ storage }) => storage));
  scope.pause(() => {
    scope.takeFresh();
    const scale = options.scale ?? 1;
    pass.run(loss, typeof scale === "number" ? fill(loss.gpu, loss.shape, scale) : reshape(copy(scale), loss.shape));
  });
}

/** `backward` from any recorded tensor of the innermost scope, given its gradient: for ops that differentiate inside. */
export function backwardFrom(output: Tensor, gradient: Tensor): void {
  const scope = Scope.current(output.gpu)!;
  scope.pause(() => {
    scope.takeFresh();
    new BackwardPass(scope, []).run(output, gradient);
  });
}

class BackwardPass {
  #scope: Scope;
  #kept: ReadonlySet<Storage>;
  /** Gradients of tensors whose operation is still to come. */
  #grads = new Map<Tensor, Tensor>();
  /** How many of those share a storage: `add` passes one gradient to both of its inputs. */
  #holders = new Map<Storage, number>();
  /** Those that the operation at hand may add to. */
  #offered = new Set<Tensor>();

  constructor(scope: Scope, kept: readonly Storage[]) {
    this.#scope = scope;
    this.#kept = new Set(kept);
  }

  run(from: Tensor, gradient: Tensor): void {
    const scope = this.#scope;
    this.#set(from, gradient);
    let fresh = scope.takeFresh();
    while (scope.tape.length > 0) {
      const node = scope.tape.pop()!;
      const dy = this.#grads.get(node.output);
      node.output.node = undefined;
      if (dy !== undefined) {
        this.#offered.clear();
        const inputGrads = node.backward(dy, this.#soFar);
        node.inputs.forEach((input, i) => {
          if (!input.requiresGrad) return;
          const grad = inputGrads[i];
          if (grad !== undefined && this.#offered.has(grad)) return; // it was added to in place
          if (grad === undefined) {
            throw new Error(`the backward of ${node.output.label} leaves out input ${i}`);
          }
          if (!sameShape(grad.shape, input.shape)) {
            throw new Error(
              `the backward of ${node.output.label} gives input ${i} a gradient of another shape`,
            );
          }
          if (input.node === undefined) this.#addToLeaf(input, grad);
          else this.#add(input, grad);
        });
        this.#drop(node.output);
        fresh = [...fresh, ...scope.takeFresh()].filter((storage) => {
          if (this.#holders.has(storage)) return true;
          scope.give(storage);
          return false;
        });
      }
      for (const storage of node.storages) {
        if (!this.#kept.has(storage) && !this.#holders.has(storage)) scope.give(storage);
      }
    }
  }

  /** The gradient that a tensor has so far, if nothing else is the same memory. */
  #soFar = (tensor: Tensor): Tensor | undefined => {
    const grad = tensor.node === undefined ? undefined : this.#grads.get(tensor);
    if (grad === undefined || this.#holders.get(grad.storage)! > 1) return undefined;
    this.#offered.add(grad);
    return grad;
  };

  #set(tensor: Tensor, grad: Tensor): void {
    this.#grads.set(tensor, grad);
    this.#holders.set(grad.storage, (this.#holders.get(grad.storage) ?? 0) + 1);
  }

  #drop(tensor: Tensor): void {
    const { storage } = this.#grads.get(tensor)!;
    this.#grads.delete(tensor);
    const holders = this.#holders.get(storage)! - 1;
    if (holders > 0) this.#holders.set(storage, holders);
    else this.#holders.delete(storage);
  }

  #add(tensor: Tensor, grad: Tensor): void {
    let sum = this.#grads.get(tensor);
    if (sum === undefined) return this.#set(tensor, grad);
    if (this.#holders.get(sum.storage)! > 1 || sum.storage === grad.storage) {
      // Another gradient is the same memory: adding in place would change that one too.
      const own = copy(sum);
      this.#drop(tensor);
      this.#set(tensor, own);
      sum = own;
    }
    accumulate(sum, grad);
  }

  #addToLeaf(leaf: Tensor, grad: Tensor): void {
    if (leaf.grad !== undefined) return accumulate(leaf.grad, leaf.grad.storage === grad.storage ? copy(grad) : grad);
    leaf.grad = this.#holders.has(grad.storage) ? copy(grad) : grad;
    this.#holders.set(leaf.grad.storage, Infinity); // the leaf holds it for good
    // A leaf that outlives the scope keeps its gradient until zeroGrad.
    if (!this.#scope.owns(leaf.storage)) this.#scope.release(leaf.grad.storage);
  }
}
