import { assertEquals, assertRejects } from "@std/assert";
import {
  AdamW,
  backward,
  type Choice,
  fill,
  Gpt,
  Gpu,
  matmul,
  productVariants,
  randomNormals,
  Scope,
  selfAttention,
  tensor,
  tune,
  WeftError,
} from "../mod.ts";
import { gpuTest } from "./_check_op.ts";

const random = (gpu: Gpu, rows: number, columns: number, stream: number) =>
  tensor(gpu, randomNormals(rows * columns, { seed: 1, stream }), [rows, columns]);

Deno.test("every shape of a program is measured once, and the fastest right candidate is used", async () => {
  using gpu = await Gpu.open();
  const shapes = [[20, 32, 16], [24, 64, 64], [24, 64, 64]];
  const pairs = shapes.map(([M, N, K], i) => [random(gpu, M, K, i), random(gpu, N, K, i + 9)] as const);
  const program = () => {
    using _ = new Scope(gpu);
    for (const [a, b] of pairs) matmul(a, b, { transposeB: true });
  };
  const before = gpu.memory.bytesInUse, progress: [number, number][] = [];
  assertEquals(await tune(gpu, program, (done, of) => progress.push([done, of])), 2);
  assertEquals(progress, [[0, 2], [1, 2], [2, 2]]);
  assertEquals(gpu.memory.bytesInUse, before); // sample operands are given back
  for (const [key, { variant, ms }] of gpu.choices.answers) {
    assertEquals(key.startsWith("product NT "), true);
    assertEquals(Object.keys(ms).length >= 2 && Object.values(ms).every((each) => each > 0 && each < 1e4), true);
    const best = Math.min(...Object.values(ms));
    assertEquals(ms[variant] <= best / 0.97, true, `${key}: ${variant} of ${JSON.stringify(ms)}`);
  }
  assertEquals(await tune(gpu, program), 0); // all is known
});

Deno.test("the candidates of the other kind of adapter are measured too, and are right", async () => {
  using gpu = await Gpu.open();
  Object.assign(gpu, { isCpu: !gpu.isCpu, texelLimit: 0 });
  using _ = new Scope(gpu);
  const a = random(gpu, 70, 200, 1), b = random(gpu, 200, 68, 2);
  assertEquals(await tune(gpu, () => void matmul(a, b)), 1);
  const [{ ms }] = gpu.choices.answers.values();
  const candidates = gpu.isCpu ? 1 : productVariants.filter((name) => !/^vector|^quads/.test(name)).length;
  assertEquals(Object.keys(ms).length >= candidates, true, JSON.stringify(ms)); // none was disqualified
});

Deno.test("an answer changes which kernel runs, and not what it computes", async () => {
  using gpu = await Gpu.open();
  using _ = new Scope(gpu);
  const a = random(gpu, 20, 16, 1), b = random(gpu, 16, 12, 2);
  const kernels = () => gpu.rehearse(() => void matmul(a, b)).map(({ kernel }) => kernel);
  const first = kernels(), results: Float32Array[] = [];
  assertEquals(await tune(gpu, () => void matmul(a, b)), 1);
  const [key] = gpu.choices.answers.keys();
  for (const variant of ["vector", gpu.isCpu && gpu.hasSubgroupsOf8 ? "quads" : "workgroup 1×1"]) {
    gpu.choices.answers.set(key, { variant, ms: {} });
    const file = variant === "vector" && gpu.hasSubgroupsOf8 ? "few_rows" : /^\w+/.exec(variant)![0];
    assertEquals(kernels()[0].startsWith(`matmul_${file}.wgsl`), true);
    results.push(await matmul(a, b).read());
  }
  results[0].forEach((v, i) => assertEquals(Math.abs(v - results[1][i]) < 1e-5, true));
  gpu.choices.answers.set(key, { variant: "of another version", ms: {} });
  assertEquals(kernels(), first);
});

Deno.test("a kernel that computes wrongly cannot win, and stops the run where nothing else serves", async () => {
  const shaders: Record<string, string> = {};
  for (const name of ["matmul_vector.wgsl", "matmul_few_rows.wgsl"]) {
    const source = await Deno.readTextFile(new URL(`../shaders/${name}`, import.meta.url));
    shaders[name] = source.replaceAll("sum += f32(a[at_a", "sum += 1.001 * f32(a[at_a")
      .replace("+= x[r] * row", "+= 1.001 * x[r] * row");
    assertEquals(shaders[name] === source, false);
  }
  using gpu = await Gpu.open({ shaders });
  const few = random(gpu, 20, 16, 1), one = random(gpu, 2, 16, 3), b = random(gpu, 16, 12, 2);
  const run = (a: typeof few) => () => {
    using _ = new Scope(gpu);
    matmul(a, b);
  };
  await tune(gpu, run(few));
  const [{ variant, ms }] = gpu.choices.answers.values();
  assertEquals([variant.startsWith("vector"), Object.keys(ms).some((name) => name === "vector")], [false, false]);
  await assertRejects(() => tune(gpu, run(one)), WeftError, "computes product NN 2×12×16 wrongly");
});

Deno.test("attention is chosen too, forward and backward compared with float64", async () => {
  const source = await Deno.readTextFile(new URL("../shaders/attention_materialized.wgsl", import.meta.url));
  const right = "factor(i) * d_kept[i] - sum", broken = source.replace(right, "1.1 * factor(i) * d_kept[i] - sum");
  assertEquals(broken === source, false);
  for (const [text, found] of [[source, true], [broken, false]] as const) {
    using gpu = await Gpu.open({ shaders: { "attention_materialized.wgsl": text } });
    for (const dtype of gpu.hasF16 ? ["f32", "f16"] as const : ["f32"] as const) {
      const qkv = fill(gpu, [2, 10, 3 * 16], 0.1, { dtype });
      const count = await tune(gpu, () => {
        using _ = new Scope(gpu);
        for (const causal of [true, false]) selfAttention(qkv, 2, { causal });
      });
      assertEquals(count, 2);
    }
    const times = [...gpu.choices.answers.values()].map(({ ms }) => Object.keys(ms));
    assertEquals(times.every((names) => names.includes("materialized") === found && names.length >= 1), true);
    assertEquals([...gpu.choices.answers.keys()][0], "self-attention causal 2×2×10×10×8");
  }
});

Deno.test("with the same choices a run has the same bits on a device opened anew, with others it has not", async () => {
  const run = async (answers?: ReadonlyMap<string, Choice>) => {
    using gpu = await Gpu.open();
    const model = new Gpt(gpu, { n_layer: 2, n_head: 2, n_embd: 64, block_size: 24, vocab_size: 65 }, { seed: 5 });
    const optimizer = new AdamW(model.parameters()), ids = Int32Array.from({ length: 25 }, (_, i) => i * i % 65);
    const step = () => {
      using _ = new Scope(gpu, { grad: true });
      const loss = model.loss(tensor(gpu, ids.slice(0, 24), [1, 24]), tensor(gpu, ids.slice(1), [1, 24]));
      backward(loss);
      return loss;
    };
    if (answers === undefined) {
      await tune(gpu, () => {
        step();
        for (const p of model.parameters().values()) p.zeroGrad();
      });
    } else for (const [key, choice] of answers) gpu.choices.answers.set(key, choice);
    for (let i = 0; i < 8; i++) {
      step();
      optimizer.step({ lr: 1e-2 });
    }
    const last: Float32Array[] = [];
    for (const p of model.parameters().values()) last.push(await p.read());
    return { last, answers: new Map(gpu.choices.answers) };
  };
  const first = await run();
  assertEquals(first.answers.size >= 3, true, [...first.answers.keys()].join());
  assertEquals((await run(first.answers)).last, first.last);
  const others = [...first.answers].map(([key, { ms, variant }]) =>
    [key, { ms, variant: Object.keys(ms).find((other) => other !== variant) ?? variant }] as const
  );
  assertEquals(
    (await run(new Map(others))).last.every((values, i) => values.every((v, j) => v === first.last[i][j])),
    false,
  );
});

gpuTest("a rehearsal does nothing on the GPU, and says what it would dispatch", async (gpu) => {
  using _ = new Scope(gpu);
  const a = random(gpu, 40, 16, 1), b = random(gpu, 16, 12, 2), submitted = gpu.recorder.submission;
  const dispatches = gpu.rehearse(() => void matmul(a, b));
  assertEquals(gpu.recorder.submission, submitted);
  const { kernel, flops, bytes } = dispatches.at(-1)!;
  assertEquals([kernel.startsWith("matmul_"), flops], [true, 2 * 40 * 16 * 12]);
  assertEquals(bytes >= 4 * (40 * 16 + 16 * 12 + 40 * 12), true);
  assertEquals((await matmul(a, b).read()).length, 480); // and afterwards all is as ever
});
