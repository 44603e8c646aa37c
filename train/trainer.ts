import { backward } from "../engine/backward.ts";
import { Scope } from "../engine/scope.ts";
import { tune } from "../engine/tune.ts";
import { readTensors, type Tensor, tensor } from "../engine/tensor.ts";
import { WeftError } from "../engine/weft_error.ts";
import type { LanguageModel } from "../model/language_model.ts";
import type { AdamW } from "./adamw.ts";
import { type BatchSource, evaluate } from "./evaluate.ts";
import { LossLog } from "./loss_log.ts";

/** Steps in a row whose gradients may overflow: halved so often, no loss scale is too large. */
const mostOverflows = 32;

/** How a run goes. */
export interface TrainerOptions {
  /** What is trained. */
  readonly model: LanguageModel;
  /** What changes its parameters. */
  readonly optimizer: AdamW;
  /** Batches to learn from, used in the order of their numbers. */
  readonly batches: BatchSource;
  /** Batches for the two estimates of the loss, the first from the text that is learned, the other from unseen text. */
  readonly evaluation: { readonly train: BatchSource; readonly validation: BatchSource };
  /** Learning rate of a step. */
  readonly learningRate: (step: number) => number;
  /** Number of steps. */
  readonly maxIters: number;
  /** Micro-batches of a step. Default: 1. */
  readonly gradAccumSteps?: number;
  /** Largest norm of the gradients; 0 for no limit. Default: 0. */
  readonly gradClip?: number;
  /** Steps between two reports. Default: 10. */
  readonly logInterval?: number;
  /** Steps between two evaluations. Default: 250. */
  readonly evalInterval?: number;
  /** Batches of an evaluation. Default: 20. */
  readonly evalIters?: number;
  /** Steps that were taken before: where a resumed run goes on. Default: 0. */
  readonly step?: number;
  /** Micro-batches that were learned from before. Default: `step · gradAccumSteps`. */
  readonly loaderPosition?: number;
}

/** What happened since the last report. */
export interface StepReport {
  /** Steps taken so far. */
  readonly step: number;
  /** Loss of each step since the last report, in order. */
  readonly losses: readonly number[];
  /** Norm of the gradients before clipping, likewise; not finite in steps that the loss scale left out. */
  readonly gradNorms: readonly number[];
  /** Steps that changed nothing, since their gradients overflowed at the loss scale. */
  readonly skipped: number;
  /** Learning rate of the last step. */
  readonly lr: number;
  /** Tokens learned from since the last report. */
  readonly tokens: number;
  /** Time since the last report, evaluations not counted. */
  readonly seconds: number;
}

/** An evaluation. */
export interface EvaluationReport {
  /** Steps taken so far. */
  readonly step: number;
  /** Mean loss on text that is learned from. */
  readonly train: number;
  /** Mean loss on unseen text. */
  readonly validation: number;
}

/** What a run calls while it goes. */
export interface TrainerEvents {
  /** After every `logInterval` steps. */
  readonly onSteps?: (report: StepReport) => void | Promise<void>;
  /** Every `evalInterval` steps, before the first step and after the last. */
  readonly onEvaluation?: (report: EvaluationReport) => void | Promise<void>;
  /** Ends the run after the steps that were begun. */
  readonly signal?: AbortSignal;
}

/**
 * The training loop: micro-batches, gradient accumulation, clipping, AdamW, reports and evaluations. Nothing in it
 * waits for the GPU but the read of all losses of `logInterval` steps together: the next batch is read and uploaded
 * while the GPU works on those before.
 *
 * Every random choice is a function of the step, so that a run which goes on from a checkpoint takes the same steps
 * as one that was never stopped.
 */
export class Trainer {
  /** Steps taken so far. */
  step: number;
  #options: Required<TrainerOptions>;
  #overflows = 0;

  /** A trainer at the beginning of a run, or where `step` says. */
  constructor(options: TrainerOptions) {
    const {
      step = 0,
      gradAccumSteps = 1,
      gradClip = 0,
      logInterval = 10,
      evalInterval = 250,
      evalIters = 20,
      loaderPosition = step * gradAccumSteps,
    } = options;
    const intervals = { logInterval, evalInterval, evalIters };
    this.#options = { ...options, step, gradAccumSteps, gradClip, loaderPosition, ...intervals };
    this.step = this.#options.step;
  }

  /** Micro-batches learned from so far. */
  get loaderPosition(): number {
    return this.#positionAt(this.step);
  }

  /**
   * Runs to the last step, or until the signal.
   *
   * @throws {WeftError} when the loss is not finite, naming the step and the first stage of the model where it began.
   */
  async run(events: TrainerEvents = {}): Promise<void> {
    const { model, gradAccumSteps, logInterval, evalInterval, maxIters, batches } = this.#options;
    using _ = new Scope(model.gpu);
    const log = new LossLog(model.gpu, logInterval * (gradAccumSteps + 1));
    const tokensPerStep = gradAccumSteps * batches.batchSize * batches.blockSize;
    model.training = true;
    let began = performance.now(), reported = this.step, lr = 0;
    for (const first = this.step;;) {
      const evaluates = this.step % evalInterval === 0 || this.step >= maxIters;
      const stops = this.step >= maxIters || events.signal?.aborted === true;
      if (this.step > reported && (this.step % logInterval === 0 || evaluates || stops)) {
        const { losses, gradNorms, skipped } = await this.#read(log);
        const steps = this.step - reported, now = performance.now();
        await events.onSteps?.({
          step: this.step,
          losses,
          gradNorms,
          skipped,
          lr,
          tokens: steps * tokensPerStep,
          seconds: (now - began) / 1000,
        });
        began = performance.now();
        reported = this.step;
      }
      // A resumed run was evaluated at this step before it was saved.
      if (evaluates && (this.step === 0 || this.step !== first) && !events.signal?.aborted) {
        await events.onEvaluation?.(await this.evaluate());
        began = performance.now();
      }
      if (stops || events.signal?.aborted) break;
      lr = this.#takeStep(log);
    }
  }

  /** Takes some steps without reports or evaluations: to look at their time. Does not wait for them. */
  steps(count: number): void {
    const { model, gradAccumSteps } = this.#options;
    using _ = new Scope(model.gpu);
    const log = new LossLog(model.gpu, count * (gradAccumSteps + 1));
    model.training = true;
    for (let i = 0; i < count; i++) this.#takeStep(log);
  }

  /** Measures which kernels suit the shapes of a step, where that is not known. Returns how many were to be chosen. */
  async tune(onProgress?: (done: number, of: number) => void): Promise<number> {
    const { model } = this.#options;
    model.training = false; // no random number is drawn
    return await tune(model.gpu, () => {
      using _ = new Scope(model.gpu, { grad: true });
      const { x, y } = this.#batch(0);
      backward(model.loss(x, y));
      for (const parameter of model.parameters().values()) parameter.zeroGrad();
    }, onProgress);
  }

  /** The mean loss on both parts of the text, with dropout off. Which batches are used depends on the step alone. */
  async evaluate(): Promise<EvaluationReport> {
    const { model, evaluation, evalIters } = this.#options;
    const range = { first: this.step * evalIters, count: evalIters };
    return {
      step: this.step,
      train: await evaluate(model, evaluation.train, range),
      validation: await evaluate(model, evaluation.validation, range),
    };
  }

  #takeStep(log: LossLog): number {
    const { model, optimizer, gradAccumSteps, gradClip, learningRate } = this.#options;
    for (let micro = 0; micro < gradAccumSteps; micro++) {
      using _ = new Scope(model.gpu, { grad: true }); // activations die here
      const { x, y } = this.#batch(micro);
      const loss = model.loss(x, y);
      backward(loss, { scale: optimizer.gradientOfLoss(1 / gradAccumSteps) }); // adds into the parameters' gradients
      log.push(loss); // stays on the GPU
    }
    const lr = learningRate(this.step);
    optimizer.step({ lr, clip: gradClip });
    log.push(optimizer.lastStep);
    model.gpu.submit();
    this.step++;
    return lr;
  }

  #batch(micro: number, step = this.step): { x: Tensor; y: Tensor } {
    const { model, batches } = this.#options;
    const { x, y } = batches.at(this.#positionAt(step) + micro),
      shape = [batches.batchSize, batches.blockSize];
    return { x: tensor(model.gpu, x, shape), y: tensor(model.gpu, y, shape) };
  }

  #positionAt(step: number): number {
    const { loaderPosition, gradAccumSteps, step: first } = this.#options;
    return loaderPosition + (step - first) * gradAccumSteps;
  }

  /** Losses and gradient norms of the steps since the last read. */
  async #read(log: LossLog): Promise<{ losses: number[]; gradNorms: number[]; skipped: number }> {
    const { gradAccumSteps, optimizer } = this.#options;
    const values = await log.read(), width = gradAccumSteps + 1;
    const losses: number[] = [], gradNorms: number[] = [];
    for (let i = 0; i < values.length; i += width) {
      losses.push(values.slice(i, i + gradAccumSteps).reduce((sum, loss) => sum + loss, 0) / gradAccumSteps);
      gradNorms.push(values[i + gradAccumSteps]);
    }
    let skipped = 0;
    for (const [i, loss] of losses.entries()) {
      const overflows = !Number.isFinite(gradNorms[i]);
      this.#overflows = overflows ? this.#overflows + 1 : 0;
      if (overflows) skipped++;
      const tolerated = optimizer.scalesLoss ? mostOverflows : 0;
      if (!Number.isFinite(loss) || this.#overflows > tolerated) {
        throw await this.#diagnose(this.step - losses.length + i, loss, gradNorms[i]);
      }
    }
    return { losses, gradNorms, skipped };
  }

  /**
   * Runs the forward pass of a bad step once more and looks at every stage. The optimizer leaves parameters as they
   * are when gradients are not finite, so what went wrong is still there to be seen.
   */
  async #diagnose(step: number, loss: number, gradNorm: number): Promise<WeftError> {
    const { model, gradAccumSteps, optimizer } = this.#options;
    const finite = (values: ArrayLike<number>): boolean => Array.prototype.every.call(values, Number.isFinite);
    const what = Number.isFinite(loss) ? `norm of the gradients is ${gradNorm}` : `loss is ${loss}`;
    let where = "the backward pass, as every stage of the forward pass is finite";
    search: for (let micro = 0; micro < gradAccumSteps; micro++) {
      using _ = new Scope(model.gpu);
      const stages: [string, Tensor][] = [];
      model.forward(this.#batch(micro, step).x, { probe: (stage, value) => stages.push([stage, value]) });
      const candidates = [
        ...[...model.parameters()].map(([n, t]) => [`parameter ${n}`, t] as const),
        ...stages,
      ];
      const values = await readTensors(candidates.map(([, value]) => value));
      for (const [i, [stage]] of candidates.entries()) {
        if (!finite(values[i].data)) {
          where = stage;
          break search;
        }
      }
    }
    return new WeftError(
      `The ${what} at step ${step}; it begins in ${where}. Nothing was saved since the last checkpoint; try a smaller ` +
        `learning_rate, a longer warmup_iters, ${optimizer.scalesLoss ? "dtype float32" : "or a grad_clip"}`,
    );
  }
}
