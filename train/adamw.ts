import source from "../shaders/adamw.wgsl" with { type: "text" };
import { defineShader } from "../engine/kernel.ts";
import { reshape, slice } from "../engine/ops/layout.ts";
import { scale } from "../engine/ops/unary.ts";
import { inParts, stretchesOf } from "../engine/parts.ts";
import { copyToTexels, readsTexels, run } from "../engine/run.ts";
import { Scope } from "../engine/scope.ts";
import { empty, type Tensor, tensor, zeros } from "../engine/tensor.ts";
import { type Moments, TensorGroups } from "./tensor_groups.ts";
import { WeftError } from "../engine/weft_error.ts";

const shader = defineShader("adamw.wgsl", source);

/** Where the loss scale begins in half precision: high, as it comes down within a step but goes up slowly. */
export const firstLossScale = 65_536;

/** Settings of AdamW that stay the same for a run. */
export interface AdamWOptions {
  /** Decay of the mean of gradients. Default: 0.9. */
  readonly beta1?: number;
  /** Decay of the mean of squared gradients. Default: 0.95. */
  readonly beta2?: number;
  /** Added to the root of the latter. Default: 1e-8. */
  readonly eps?: number;
  /** Decoupled weight decay of the tensors with two or more dimensions. Default: 0.1. */
  readonly weightDecay?: number;
  /**
   * What the loss is multiplied by before `backward`, so that small gradients survive in f16: where it begins. It halves
   * when gradients overflow and doubles after `growthInterval` steps in which none did. Default: 1, and constant.
   */
  readonly lossScale?: number;
  /** Steps without overflow after which the loss scale doubles. Default: 2000. */
  readonly growthInterval?: number;
}

/** Settings of one step. */
export interface StepOptions {
  /** Learning rate. */
  readonly lr: number;
  /** Largest global norm of the gradients; larger ones are scaled down. Default: no limit. */
  readonly clip?: number;
}

/**
 * AdamW with decoupled weight decay (Loshchilov & Hutter 2019) and clipping by global norm. Weight decay applies to
 * tensors of two or more dimensions only: not to biases and the weights of norms. Nothing is read back: the norm and
 * the scale stay on the GPU. A step whose gradients are not finite changes nothing, and does not count in the moments' bias.
 *
 * @example
 * ```ts
 * import { Gpu } from "../engine/gpu.ts";
 * import { Scope } from "../engine/scope.ts";
 * import { tensor } from "../engine/tensor.ts";
 * import { backward } from "../engine/backward.ts";
 * import { mul } from "../engine/ops/binary.ts";
 * import { sum } from "../engine/ops/reduce.ts";
 * import { AdamW } from "./adamw.ts";
 *
 * using gpu = await Gpu.open();
 * const w = tensor(gpu, [3, -2], [2], { requiresGrad: true });
 * const optimizer = new AdamW(new Map([["w", w]]));
 * for (let step = 0; step < 10; step++) {
 *   using _ = new Scope(gpu, { grad: true });
 *   backward(sum(mul(w, w)));
 *   optimizer.step({ lr: 0.1 });
 * }
 * console.log(await w.read()); // about [2, -1]: 0.1 a step towards 0
 * ```
 */
export class AdamW {
  /** What it optimizes, by name. */
  readonly parameters: ReadonlyMap<string, Tensor>;
  /** Steps that were taken. */
  steps = 0;
  /**
   * Of the last step, on the GPU: the norm of the gradients before clipping, what they were multiplied by, and AdamW's rate
   * and root: (4).
   */
  readonly lastStep: Tensor;
  /** The loss scale, steps since it changed, and steps that changed nothing so far: (3), on the GPU; in checkpoints. */
  readonly lossScale: Tensor;
  #options: Required<AdamWOptions>;
  #moments: Map<string, Moments>;
  #lanes: number[];
  #partials: { readonly all: number; readonly most: number };
  #spans: Tensor;
  #groups: TensorGroups | undefined;

  /** An optimizer for these parameters, with its two moments at zero. */
  constructor(parameters: ReadonlyMap<string, Tensor>, options: AdamWOptions = {}) {
    const [first] = parameters.values();
    if (first === undefined) throw new WeftError("Cannot optimize without parameters");
    this.parameters = parameters;
    const { beta1 = 0.9, beta2 = 0.95, eps = 1e-8, weightDecay = 0.1 } = options;
    const { lossScale = 0, growthInterval = 2000 } = options;
    this.#options = { beta1, beta2, eps, weightDecay, lossScale, growthInterval };
    this.#lanes = [...parameters.values()].map(({ size }) => Math.min(8192, Math.max(64, Math.ceil(size / 256))));
    // Partial sums of each tensor: those of each part in which it is gone over.
    const counts = [...parameters.values()].map(({ gpu, size }, i) =>
      this.#lanes[i] * stretchesOf(gpu, "f32", size).length
    );
    let end = 0;
    const spans = counts.flatMap((count) => [end, end += count]);
    this.#partials = { all: end, most: Math.max(...counts) };
    this.#spans = tensor(first.gpu, new Uint32Array(spans), [this.#lanes.length, 2], {
      label: "spans of partial norms",
    });
    // Several at a time, where none is larger than a binding; or each by itself.
    const whole = counts.every((count, i) => count === this.#lanes[i]);
    if (whole && TensorGroups.suits(first.gpu)) {
      const members = [...parameters.values()].map((p, i) => (
        { p, lanes: this.#lanes[i], firstPartial: spans[2 * i], decays: p.shape.length >= 2 }
      ));
      this.#groups = new TensorGroups(first.gpu, members);
    }
    const grouped = this.#groups?.moments;
    this.#moments = new Map([...parameters].map(([name, { gpu, shape }], i) => [
      name,
      grouped?.[i] ?? {
        m: zeros(gpu, shape, { label: `first moment of ${name}` }),
        v: zeros(gpu, shape, { label: `second moment of ${name}` }),
      },
    ]));
    this.lastStep = zeros(first.gpu, [4], { label: "gradient norm" });
    this.lossScale = tensor(first.gpu, [this.initialLossScale, 0, 0], [3], { label: "loss scale" });
  }

  /** Whether the loss is scaled, by a factor that follows the gradients. */
  get scalesLoss(): boolean {
    return this.#options.lossScale > 0;
  }

  /** The loss scale of the first step: 1 where the loss is not scaled. */
  get initialLossScale(): number {
    return this.#options.lossScale || 1;
  }

  /** The gradient of a loss that counts `factor` times: what `backward` takes as its `scale`. */
  gradientOfLoss(factor = 1): number | Tensor {
    if (!this.scalesLoss) return factor;
    return scale(reshape(slice(this.lossScale, { end: 1 }), []), factor);
  }

  /**
   * Takes one step along the gradients that `backward` left, and gives those back.
   *
   * @throws {WeftError} when a parameter has no gradient.
   */
  step({ lr, clip = 0 }: StepOptions): void {
    const { beta1, beta2, eps, weightDecay } = this.#options;
    this.steps++;
    const common = {
      clip,
      beta1,
      one_minus_beta1: 1 - beta1,
      beta2,
      one_minus_beta2: 1 - beta2,
      eps,
      log_beta1: Math.log(Math.max(beta1, 1e-30)),
      log_beta2: Math.log(Math.max(beta2, 1e-30)),
      lr,
      step: this.steps,
    };
    this.#measureNorm(common);
    if (this.#groups) {
      const { one_minus_beta1, one_minus_beta2 } = common;
      const params = { beta1, one_minus_beta1, beta2, one_minus_beta2, eps, shrink: lr * weightDecay };
      this.#groups.update(this.lastStep, params);
    } else this.#updateEach(common);
    for (const p of this.parameters.values()) p.zeroGrad();
    copyToTexels([...this.parameters.values()]); // which the next forward pass reads
  }

  #updateEach(common: Record<string, number>): void {
    const { weightDecay } = this.#options, { lr } = common;
    copyToTexels([...this.#moments.values()].flatMap(({ m, v }) => [m, v]));
    for (const [name, p] of this.parameters) {
      const { m, v } = this.#moments.get(name)!;
      const decay = p.shape.length >= 2 ? weightDecay : 0;
      inParts({ g: p.grad!, p, m, v }, (parts, size) => {
        const { g } = parts, copied = readsTexels(p.gpu, Object.values(parts));
        const [p_copy, m_copy, v_copy] = copied ? [parts.p, parts.m, parts.v] : [g, g, g];
        run(shader, "update", { ...parts, p_copy, m_copy, v_copy, norm_and_scale: this.lastStep }, {
          threads: Math.ceil(size / 4),
          params: { ...common, size, first: 0, lanes: 0, tensor: 0, shrink: lr * decay },
          constants: { COPIED: copied ? 1 : 0 },
        });
      });
    }
  }

  #measureNorm(common: Record<string, number>): void {
    const { gpu } = this.lastStep;
    using _ = new Scope(gpu);
    const partial = empty(gpu, [this.#partials.all], { label: "partial norms" });
    const total = empty(gpu, [this.parameters.size], { label: "squared norms" });
    let first = 0, index = 0;
    copyToTexels([...this.parameters.values()].flatMap(({ grad }) => grad ?? []));
    for (const [name, { grad }] of this.parameters) {
      if (grad === undefined) {
        throw new WeftError(`Cannot take a step: ${name} has no gradient; call backward before`);
      }
      const lanes = this.#lanes[index];
      if (!this.#groups) {
        inParts({ g: grad }, ({ g }, size) => {
          const params = { ...common, size, first, lanes, tensor: index, shrink: 0 };
          run(shader, "sum_squares", { g, partial }, { threads: lanes, params });
          first += lanes;
        });
      }
      index++;
    }
    this.#groups?.sumSquares(partial);
    const params = { ...common, size: 0, first: 0, lanes: 0, tensor: index, shrink: 0 };
    run(shader, "total_squares", { partials: partial, spans: this.#spans, total }, {
      threads: index,
      loops: this.#partials.most,
      params,
    });
    const { growthInterval } = this.#options;
    const constants = { GROWTH: this.scalesLoss ? growthInterval : 0 };
    run(shader, "norm", { totals: total, state: this.lastStep, loss_scale: this.lossScale }, {
      workgroups: 1,
      params,
      constants,
    });
  }

  /** Both moments of each parameter, as `exp_avg.NAME` and `exp_avg_sq.NAME`, and `loss_scale`: what a checkpoint holds. */
  state(): Map<string, Tensor> {
    const moments = [...this.#moments].flatMap(([name, { m, v }]) => [
      [`exp_avg.${name}`, m] as const,
      [`exp_avg_sq.${name}`, v] as const,
    ]);
    return new Map([...moments, ["loss_scale", this.lossScale]]);
  }
}
