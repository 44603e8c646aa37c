import { assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  AdamW,
  add,
  backward,
  Batches,
  Bigram,
  crossEntropy,
  evaluate,
  Gpt,
  type Gpu,
  LossLog,
  mul,
  randomNormals,
  scale,
  Scope,
  sqrt,
  sum,
  tensor,
} from "../mod.ts";
import {
  CharTokenizer,
  loadCheckpoint,
  loadTrainerState,
  restoreOptimizer,
  saveCheckpoint,
  Trainer,
  version,
  WeftError,
} from "../mod.ts";
import { RandomStream, type TrainerOptions } from "../mod.ts";
import { expectClose, force, gpuTest } from "./_check_op.ts";

const text = "a stitch in time saves nine; nine times in ten. ".repeat(30);
const tokenizer = CharTokenizer.fromText(text), tokens = tokenizer.encode(text);
const batches = (stream: number, batchSize = 4) => new Batches(tokens, { batchSize, blockSize: 8, seed: 1, stream });

function setUp(gpu: Gpu, over: Partial<TrainerOptions> = {}) {
  const size = {
    n_layer: 2,
    n_head: 2,
    n_embd: 16,
    block_size: 8,
    vocab_size: tokenizer.vocabSize,
    dropout: 0.1,
  };
  const model = new Gpt(gpu, size, { seed: 3 }), optimizer = new AdamW(model.parameters());
  const options: TrainerOptions = {
    model,
    optimizer,
    batches: batches(1),
    evaluation: { train: batches(2), validation: batches(3) },
    learningRate: (step) => 1e-2 / (1 + step / 20),
    maxIters: 30,
    gradClip: 1,
    logInterval: 7,
    evalInterval: 10,
    evalIters: 2,
    ...over,
  };
  return { model, optimizer, options };
}

async function losses(options: TrainerOptions): Promise<number[]> {
  const all: number[] = [];
  await new Trainer(options).run({ onSteps: ({ losses }) => void all.push(...losses) });
  return all;
}

gpuTest("two runs are bit-equal, whatever the interval of reports, and they learn", async (gpu) => {
  const first = await losses(setUp(gpu).options);
  assertEquals(first.length, 30);
  assertEquals(await losses(setUp(gpu).options), first);
  assertEquals(await losses(setUp(gpu, { logInterval: 4, evalInterval: 30 }).options), first);
  assertEquals(first[29] < first[0] - 0.5, true, `${first[0]} → ${first[29]}`);
});

gpuTest("the batches of all steps up to a report are read and uploaded without a wait for the GPU", async (gpu) => {
  const events: (number | "waited")[] = [], source = batches(1);
  const logged = {
    batchSize: source.batchSize,
    blockSize: source.blockSize,
    at(index: number) {
      if (index % 5 === 0) Promise.resolve().then(() => events.push("waited"));
      events.push(index);
      return source.at(index);
    },
  };
  await new Trainer(setUp(gpu, { batches: logged, logInterval: 5, maxIters: 10, evalInterval: 10 }).options).run();
  assertEquals(events, [0, 1, 2, 3, 4, "waited", 5, 6, 7, 8, 9, "waited"]);
});

/** The same in float16, with a loss scale that overflows at first and doubles soon. */
function inHalves<T extends { model: Gpt; options: TrainerOptions }>(set: T): T & { optimizer: AdamW } {
  const optimizer = new AdamW(set.model.parameters(), { lossScale: 2 ** 23, growthInterval: 4 });
  set.model.dtype = "f16";
  return { ...set, optimizer, options: { ...set.options, optimizer } };
}

for (const half of [false, true]) {
  const name = "a run that is resumed from a checkpoint has the losses of one that was never stopped";
  gpuTest(half ? `${name}, in float16` : name, async (gpu) => {
    const set = (over: Partial<TrainerOptions> = {}) => half ? inHalves(setUp(gpu, over)) : setUp(gpu, over);
    const whole = await losses(set().options);
    const dir = await Deno.makeTempDir();
    const { model, optimizer, options } = set({ maxIters: 13 });
    const before = await losses(options);
    const state = { step: 13, random_counter: model.random.counter, best_validation: 2.5, config: { a: 1 } };
    await saveCheckpoint(`${dir}/last`, { model, tokenizer, optimizer, state });

    const loaded = await loadCheckpoint(gpu, `${dir}/last`), restored = await loadTrainerState(`${dir}/last`);
    assertEquals(restored, { ...state, engine_version: version });
    assertEquals(loaded.tokenizer.toJSON(), tokenizer.toJSON());
    const again = loaded.model as Gpt;
    const moments = new AdamW(again.parameters(), half ? { lossScale: 2 ** 23, growthInterval: 4 } : {});
    again.dtype = model.dtype;
    await restoreOptimizer(`${dir}/last`, moments);
    again.random = new RandomStream(3, restored.random_counter);
    const after = await losses({
      ...options,
      model: again,
      optimizer: moments,
      maxIters: 30,
      step: restored.step,
    });
    assertEquals([...before, ...after], whole);
    const [lossScale, , skipped] = await moments.lossScale.read();
    assertEquals([skipped > 1, lossScale > 1], [half, half]);
    await Deno.remove(dir, { recursive: true });
  });
}

gpuTest("steps that overflow in float16 are counted, and at every loss scale end the run", async (gpu) => {
  const { model, options } = inHalves(setUp(gpu, { evalInterval: 100 }));
  let skipped = 0;
  await new Trainer({ ...options, logInterval: 1 }).run({ onSteps: (report) => void (skipped += report.skipped) });
  assertEquals(skipped, (await options.optimizer.lossScale.read())[2]);
  assertEquals(skipped > 1, true);
  // A gradient that no scale helps, though the loss is finite: the slope of a root at 0.
  const weight = model.parameters().get("ln_f.weight")!, own = model.loss.bind(model);
  model.loss = (x, y) => add(own(x, y), sum(sqrt(scale(weight, 0))));
  const error = await assertRejects(
    () => new Trainer({ ...options, maxIters: 60, learningRate: () => 0 }).run(),
    WeftError,
  );
  assertEquals(error.message.startsWith("The norm of the gradients is"), true, error.message);
  assertEquals(error.message.includes("dtype float32"), true, error.message);
});

gpuTest("two micro-batches give the gradient of their mean", async (gpu) => {
  const { model, options } = setUp(gpu, {
    maxIters: 1,
    gradAccumSteps: 2,
    gradClip: 0,
    batches: batches(1, 2),
  });
  model.training = false;
  const twin = new Gpt(gpu, { ...model.config, dropout: 0 }, { seed: 3 }),
    accumulating = new Gpt(gpu, twin.config, { seed: 3 });
  const optimizer = new AdamW(accumulating.parameters());
  const report: number[] = [];
  await new Trainer({ ...options, model: accumulating, optimizer }).run({
    onSteps: ({ losses, gradNorms }) => void report.push(losses[0], gradNorms[0]),
  });
  using _ = new Scope(gpu, { grad: true });
  const parts = [0, 1].map((micro) => batches(1, 2).at(micro));
  const [x, y] = (["x", "y"] as const).map((k) =>
    tensor(gpu, Int32Array.from(parts.flatMap((part) => [...part[k]])), [4, 8])
  );
  const loss = crossEntropy(twin.forward(x), y);
  backward(loss);
  const reference = new AdamW(twin.parameters());
  reference.step({ lr: 1e-2 });
  expectClose("loss and norm", report, [await loss.item(), (await reference.lastStep.read())[0]], 1e-5);
  for (const [name, p] of twin.parameters()) {
    const [one, other] = [await accumulating.parameters().get(name)!.read(), await p.read()];
    // The key part of this bias has a zero gradient, so that Adam makes steps of its rounding noise.
    const counts = (_: number, i: number) => !name.endsWith("c_attn.bias") || i < 16 || i >= 32;
    expectClose(name, one.filter(counts), other.filter(counts), 2e-3);
  }
});

gpuTest(
  "evaluations come at their steps, leave the mode as it was, and take batches that depend on the step alone",
  async (gpu) => {
    const { model, options } = setUp(gpu);
    const reports: [number, number][] = [];
    await new Trainer(options).run({
      onEvaluation: ({ step, validation }) => void reports.push([step, validation]),
    });
    assertEquals(reports.map(([step]) => step), [0, 10, 20, 30]);
    assertEquals(model.training, true);
    const expected = await evaluate(model, batches(3), { first: 60, count: 2 });
    assertEquals(reports[3][1], expected); // the batches of an evaluation are a function of the step
  },
);

gpuTest("a signal ends the run after the steps that were begun", async (gpu) => {
  const stop = new AbortController(), trainer = new Trainer(setUp(gpu).options);
  await trainer.run({ signal: stop.signal, onSteps: () => stop.abort() });
  assertEquals(trainer.step, 7);
});

gpuTest("a loss that is not finite ends the run, naming the step and where it begins", async (gpu) => {
  const { model, options } = setUp(gpu, {
    learningRate: (step) => step < 5 ? 1e-3 : 1e30,
    logInterval: 1,
    evalInterval: 100,
  });
  const error = await assertRejects(() => new Trainer(options).run(), WeftError);
  assertEquals(
    /^The loss is (NaN|Infinity) at step [6-9]; it begins in \S+/.test(error.message),
    true,
    error.message,
  );
  // A parameter that is broken from the start is found as such.
  const { model: other, options: again } = setUp(gpu);
  const weight = other.parameters().get("h.1.mlp.c_fc.weight")!;
  gpu.write(weight.storage, new Float32Array(weight.size).fill(NaN));
  await assertRejects(
    () => new Trainer(again).run(),
    WeftError,
    "The loss is NaN at step 0; it begins in parameter h.1.mlp.c_fc.weight.",
  );
  assertEquals(model.training, true);
});

gpuTest("a step whose gradients are not finite changes nothing", async (gpu) => {
  const w = tensor(gpu, [1, 2], [2], { requiresGrad: true }), optimizer = new AdamW(new Map([["w", w]]));
  const step = (factor: number) => {
    using _ = new Scope(gpu, { grad: true });
    backward(sum(mul(w, tensor(gpu, [factor, 1]))));
    optimizer.step({ lr: 0.1 });
  };
  for (const factor of [Infinity, NaN]) step(factor);
  assertEquals([...await w.read()], [1, 2]);
  step(1);
  assertEquals((await w.read()).every((v, i) => v < i + 1), true);
});

gpuTest("clipping scales the gradients to the norm, and decay is for matrices alone", async (gpu) => {
  const vector = tensor(gpu, [5, 5, 5], [3], { requiresGrad: true });
  const matrix = tensor(gpu, [5, 5, 5], [1, 3], { requiresGrad: true });
  const optimizer = new AdamW(new Map([["v", vector], ["m", matrix]]), { weightDecay: 0.5, eps: 1 });
  using _ = new Scope(gpu, { grad: true });
  const six = tensor(gpu, [1, 2, 2]); // norm 3
  backward(sum(mul(mul(vector, six), matrix)));
  optimizer.step({ lr: 0.1, clip: 3 });
  const [norm, factor] = await optimizer.lastStep.read();
  assertAlmostEquals(norm, 15 * Math.SQRT2, 1e-4); // both gradients are 5 · six
  assertAlmostEquals(factor, 3 / norm, 1e-6);
  // The first step of Adam moves by lr · g / (|g| + eps), with g the clipped gradient.
  const moved = [1, 2, 2].map((g) => 5 * g * factor).map((g) => 0.1 * g / (g + 1));
  expectClose("vector", await vector.read(), moved.map((d) => 5 - d), 1e-6);
  expectClose("matrix", await matrix.read(), moved.map((d) => 5 * (1 - 0.1 * 0.5) - d), 1e-6);
});

gpuTest("AdamW takes the same step over tensors of any size, each by itself or several at a time", async (gpu) => {
  const sizes = [[3], [1], [70, 5], [16_384], [2, 2], [257], [40, 1030], [5], [64, 64], [129]];
  const results: { norm: number; values: Float32Array[]; dispatches: number }[] = [];
  const ways = [{ optimizer: "single" }, { optimizer: "grouped" }, { optimizer: "grouped", loads: "buffers" }] as const;
  for (const way of ways) {
    using _forced = force(gpu, way);
    using _outer = new Scope(gpu);
    const parameters = sizes.map((shape, i) =>
      tensor(gpu, randomNormals(shape.reduce((m, n) => m * n), { seed: 1, stream: i }), shape, { requiresGrad: true })
    );
    const adamw = new AdamW(new Map(parameters.map((p, i) => [`p${i}`, p])), { weightDecay: 0.3 });
    let norm = 0, dispatches = 0;
    for (let step = 0; step < 3; step++) {
      using _ = new Scope(gpu, { grad: true });
      backward(parameters.map((p) => sum(mul(mul(p, p), p))).reduce(add));
      const names = await gpu.profile(() => adamw.step({ lr: 0.05, clip: 2 }));
      dispatches = names.reduce(
        (sum, { kernel, dispatches }) => sum + (kernel.startsWith("adamw") ? dispatches : 0),
        0,
      );
      if (step === 0) norm = (await adamw.lastStep.read())[0];
    }
    results.push({ norm, dispatches, values: await Promise.all(parameters.map((p) => p.read())) });
  }
  const [single, ...several] = results;
  for (const grouped of several) {
    expectClose("norm", [grouped.norm], [single.norm], 1e-6);
    sizes.forEach((shape, i) => expectClose(`(${shape})`, grouped.values[i], single.values[i], 1e-5));
  }
  // Two for each tensor or for seven, which takes more bindings than some adapters have.
  const few = 2 * (gpu.device.limits.maxStorageBuffersPerShaderStage >= 26 ? 2 : 10) + 2;
  assertEquals(results.map(({ dispatches }) => dispatches), [2 * 10 + 2, few, few]);
});

gpuTest("an optimizer without gradients or parameters says so", (gpu) => {
  const model = new Bigram(gpu, { vocab_size: 3, block_size: 2 });
  assertThrows(() => new AdamW(model.parameters()).step({ lr: 1 }), WeftError, "wte.weight has no gradient");
  assertThrows(() => new AdamW(new Map()), WeftError, "without parameters");
  return Promise.resolve();
});

gpuTest("a loss log is read in order, again and again, and says when it is full", async (gpu) => {
  using _ = new Scope(gpu);
  const log = new LossLog(gpu, 3);
  for (const round of [[1, 2, 3], [4], []]) {
    for (const value of round) log.push(tensor(gpu, [value, 99]));
    assertEquals(await log.read(), round);
  }
  for (let i = 0; i < 3; i++) log.push(tensor(gpu, [i]));
  assertThrows(() => log.push(tensor(gpu, [3])), WeftError, "full: it holds 3 numbers");
});

gpuTest("a resumed run goes on in its data, also when it takes more micro-batches a step", async (gpu) => {
  const taken = async (over: Partial<TrainerOptions>) => {
    const numbers: number[] = [], source = batches(1);
    const at = (number: number) => (numbers.push(number), source.at(number));
    const { options } = setUp(gpu, {
      batches: { batchSize: 4, blockSize: 8, at },
      maxIters: 5,
      evalInterval: 99,
      ...over,
    });
    const trainer = new Trainer({ ...options, evalIters: 1 });
    await trainer.run();
    return [...numbers, trainer.loaderPosition];
  };
  assertEquals(await taken({}), [0, 1, 2, 3, 4, 5]);
  assertEquals(await taken({ step: 3, gradAccumSteps: 2 }), [6, 7, 8, 9, 10]);
  assertEquals(await taken({ step: 3, gradAccumSteps: 2, loaderPosition: 3 }), [3, 4, 5, 6, 7]);
});
