import { assertEquals, assertRejects } from "@std/assert";
import { Gpu, matmul, productVariants, randomNormals, Scope, tensor, tune, WeftError } from "../mod.ts";
import { gpuTest } from "./_check_op.ts";

const random = (gpu: Gpu, rows: number, columns: number, stream: number) =>
  tensor(gpu, randomNormals(rows * columns, { seed: 1, stream }), [rows, columns]);

Deno.test("every shape of a program is measured once, and the fastest right candidate is used", async () => {
  using gpu = await Gpu.open();
  const shapes = [[20, 32, 16], [64, 64, 64], [64, 64, 64]];
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
  Object.defineProperty(gpu, "isCpu", { value: !gpu.isCpu });
  using _ = new Scope(gpu);
  const a = random(gpu, 70, 200, 1), b = random(gpu, 200, 68, 2);
  assertEquals(await tune(gpu, () => void matmul(a, b)), 1);
  const [{ ms }] = gpu.choices.answers.values();
  const candidates = gpu.isCpu ? 1 : productVariants.filter((name) => !/^vector|copied/.test(name)).length;
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
  for (const variant of gpu.isCpu ? ["vector", "registers"] : ["vector", "workgroup 1×1"]) {
    gpu.choices.answers.set(key, { variant, ms: {} });
    assertEquals(kernels()[0].startsWith(`matmul_${variant.split(" ")[0]}.wgsl`), true);
    results.push(await matmul(a, b).read());
  }
  results[0].forEach((v, i) => assertEquals(Math.abs(v - results[1][i]) < 1e-5, true));
  gpu.choices.answers.set(key, { variant: "of another version", ms: {} });
  assertEquals(kernels(), first);
});

Deno.test("a kernel that computes wrongly cannot win, and stops the run where nothing else serves", async () => {
  const source = await Deno.readTextFile(new URL("../shaders/matmul_vector.wgsl", import.meta.url));
  const broken = source.replaceAll("sum += a[at_a", "sum += 1.001 * a[at_a");
  using gpu = await Gpu.open({ shaders: { "matmul_vector.wgsl": broken } });
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
