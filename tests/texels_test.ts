import { assertAlmostEquals, assertEquals } from "@std/assert";
import {
  AdamW,
  add,
  backward,
  cast,
  embedding,
  fill,
  gelu,
  Gpt,
  Gpu,
  layerNorm,
  matmul,
  randomNormals,
  Scope,
  sum,
  type Tensor,
  tensor,
} from "../mod.ts";
import { copyPart } from "../engine/ops/strided_copy.ts";
import { force, gpuTest } from "./_check_op.ts";

const random = (gpu: Gpu, shape: number[], stream: number) =>
  tensor(gpu, randomNormals(shape.reduce((a, b) => a * b), { seed: 1, stream }), shape);

/** What `run` gives with buffers, and with textures where the adapter reads those: whether it did must be as expected. */
async function bothWays(gpu: Gpu, run: () => Tensor, readsTexels = gpu.texelLimit > 0) {
  const results: Awaited<ReturnType<Tensor["read"]>>[] = [];
  for (const loads of ["buffers", "texels"] as const) {
    using _forced = force(gpu, { product: "quads", loads });
    using _ = new Scope(gpu);
    const copies = gpu.rehearse(() => void run()).filter(({ kernel }) => kernel === "copy to texture").length;
    assertEquals(copies > 0, loads === "texels" && readsTexels);
    results.push(await run().read());
  }
  return results;
}

gpuTest("kernels give the same bits from textures as from buffers, in rows of texels whole and not", async (gpu) => {
  using _ = new Scope(gpu);
  for (const size of [1, 3, 4 * 1024, 4 * 1024 + 1, 50_003]) {
    const x = random(gpu, [size], 0), [buffers, texels] = await bothWays(gpu, () => gelu(x));
    assertEquals(texels, buffers, `gelu of ${size}`);
  }
  const x = random(gpu, [300, 68], 1), weight = random(gpu, [68], 2), w = random(gpu, [68, 132], 3);
  const [buffers, texels] = await bothWays(gpu, () => matmul(layerNorm(x, weight), w));
  assertEquals(texels, buffers);
});

gpuTest("f16 is read from textures of its own, with the same bits", async (gpu) => {
  using _ = new Scope(gpu);
  for (const size of [1, 6, 4 * 1024, 8 * 1024 + 5, 50_003]) {
    const x = cast(random(gpu, [size], 0), "f16"), [buffers, texels] = await bothWays(gpu, () => gelu(x));
    assertEquals(buffers.some((each) => each !== 0), true);
    assertEquals(texels, buffers, `gelu of ${size}`);
  }
  for (const [M, K, N] of [[300, 68, 132], [61, 130, 37]]) {
    const x = cast(random(gpu, [M, K], 1), "f16"), w = cast(random(gpu, [K, N], 3), "f16");
    const weight = random(gpu, [K], 2);
    const [buffers, texels] = await bothWays(gpu, () => matmul(layerNorm(x, weight), w));
    assertEquals(texels, buffers, `${M} × ${K} × ${N}`);
  }
});

gpuTest("memory lent as f32 and then as f16 is copied into the texture of what it holds", async (gpu) => {
  using _forced = force(gpu, { loads: "texels" });
  const expected = (of: number) => gelu(fill(gpu, [1000], of)).read();
  for (const [dtype, size] of [["f32", 1000], ["f16", 2000], ["f32", 1000]] as const) {
    using _ = new Scope(gpu);
    const x = fill(gpu, [size], size / 1000, { dtype }); // the same 4,000 bytes
    const want = (await expected(size / 1000))[0];
    const got = await gelu(x).read();
    assertAlmostEquals(got[size - 1], want, 1e-3);
    assertEquals(new Set(got).size, 1);
  }
});

gpuTest("single elements and pairs are read from textures, too", async (gpu) => {
  using _ = new Scope(gpu);
  const table = random(gpu, [1001, 37], 5), ids = tensor(gpu, new Int32Array([0, 1000, 7, 501, 7]));
  const x = random(gpu, [61, 130], 6), weight = random(gpu, [130], 7), slope = random(gpu, [61, 130], 8);
  const ways: [string, () => Tensor][] = [
    ["rows of a table", () => embedding(table, ids)],
    ["columns of a matrix", () => sum(x, { axes: [0] })],
    ["rows of a matrix", () => sum(x, { axes: [1] })],
    ["statistics of a norm", () => { // pairs of mean and 1 / deviation
      const leaf = tensor(gpu, [...Array(61 * 130).keys()].map((i) => Math.sin(i)), [61, 130], { requiresGrad: true });
      using _ = new Scope(gpu, { grad: true });
      const y = layerNorm(leaf, weight);
      backward(sum(matmul(y, slope, { transposeB: true })));
      return leaf.grad!;
    }],
  ];
  for (const [what, run] of ways) {
    const [buffers, texels] = await bothWays(gpu, run);
    assertEquals(texels, buffers, what);
  }
});

gpuTest("what a kernel writes it may read as it was before: sums of gradients, and steps of AdamW", async (gpu) => {
  const gradient = () => {
    const x = tensor(gpu, randomNormals(48 * 64, { seed: 2, stream: 0 }), [48, 64], { requiresGrad: true });
    const hidden = add(x, x); // an intermediate, to whose gradient the norm adds
    backward(sum(gelu(add(hidden, gelu(layerNorm(hidden, random(gpu, [64], 3)))))));
    return x.grad!;
  };
  const stepped = () => {
    const p = tensor(gpu, randomNormals(5001, { seed: 3, stream: 0 }), [5001], { requiresGrad: true });
    const optimizer = new AdamW(new Map([["p", p]]), { weightDecay: 0.1 });
    for (let step = 0; step < 3; step++) {
      using _ = new Scope(gpu, { grad: true });
      backward(sum(gelu(p)));
      optimizer.step({ lr: 0.01, clip: 1 });
    }
    return p;
  };
  for (const run of [gradient, stepped]) {
    const results: Float32Array[] = [];
    for (const loads of ["buffers", "texels"] as const) {
      using _forced = force(gpu, { loads });
      using _ = new Scope(gpu, { grad: run === gradient });
      results.push(await run().read());
    }
    assertEquals(results[1], results[0], run.name);
  }
});

gpuTest("a kernel that reads textures reads none of its f32 from buffers", async (gpu) => {
  using _forced = force(gpu, { loads: "texels", product: "quads", attention: "blocks, shuffled" });
  const { recorder } = gpu, dispatch = recorder.dispatch.bind(recorder), mixed = new Set<string>();
  let texels = 0;
  recorder.dispatch = (kernel, ...rest) => {
    const forms = new Set(kernel.forms.filter((_, i) => !kernel.writable[i]));
    if (forms.has("rgba32float")) texels++;
    if (forms.size === 2) mixed.add(kernel.label);
    dispatch(kernel, ...rest);
  };
  using _ = new Scope(gpu);
  const model = new Gpt(gpu, { n_layer: 1, n_head: 2, n_embd: 16, block_size: 12, vocab_size: 20, dropout: 0.1 });
  const optimizer = new AdamW(model.parameters()), ids = new Int32Array(24).map((_, i) => i % 20);
  const [x, y] = [tensor(gpu, ids, [2, 12]), tensor(gpu, ids, [2, 12])];
  {
    using _ = new Scope(gpu, { grad: true });
    backward(model.loss(x, y));
  }
  optimizer.step({ lr: 1e-3, clip: 1 });
  await gpu.finish();
  assertEquals(texels > 0, gpu.texelLimit > 0);
  // Those that read tables of whole numbers, too.
  const whole = {
    adamw: ["total_squares"],
    cross_entropy: ["add_rows", "forward", "slopes"],
    embedding: ["backward", "forward"],
  };
  const known = Object.entries(whole).flatMap(([file, entries]) => entries.map((entry) => `${file}.wgsl/${entry}`));
  assertEquals([...mixed].sort(), gpu.texelLimit > 0 ? known : []);
});

gpuTest("a rehearsal does not make a copy seem to be made", async (gpu) => {
  using _ = new Scope(gpu);
  using _forced = force(gpu, { loads: "texels" });
  const x = fill(gpu, [5000], 1), one = (await gelu(x).read())[0], two = (await gelu(fill(gpu, [5000], 2)).read())[0];
  gpu.write(x.storage, new Float32Array(5000).fill(2));
  gpu.rehearse(() => void gelu(x));
  assertEquals((await gelu(x).read())[0], two);
  const copies = () => gpu.rehearse(() => void gelu(x)).filter(({ kernel }) => kernel === "copy to texture").length;
  gpu.rehearse(() => gpu.recorder.copy(x.storage, 0, x.storage, 4, 4)); // would write it
  assertEquals(copies(), 0); // nor a copy that is there seem not to be
  gpu.recorder.write(x.storage);
  assertEquals(copies(), gpu.texelLimit > 0 ? 1 : 0);
  assertEquals(one === two, false);
});

Deno.test("llvmpipe is asked for two threads a core, unless the environment says how many", async () => {
  const variable = "LP_NUM_THREADS", before = Deno.env.get(variable);
  try {
    for (const [given, expected] of [[undefined, String(2 * navigator.hardwareConcurrency)], ["3", "3"]] as const) {
      if (given === undefined) Deno.env.delete(variable);
      else Deno.env.set(variable, given);
      using _ = await Gpu.open();
      assertEquals(Deno.env.get(variable), expected);
    }
  } finally {
    if (before === undefined) Deno.env.delete(variable);
    else Deno.env.set(variable, before);
  }
});

gpuTest(
  "a copy in a texture is made anew when what it is of was written: by the host, a kernel, or into memory lent again",
  async (gpu) => {
    using _ = new Scope(gpu);
    using _forced = force(gpu, { loads: "texels" });
    const x = fill(gpu, [5000], 1), one = (await gelu(x).read())[0];
    const is = async (what: string, y: Tensor, value: number) =>
      assertEquals([...new Set(await y.read())], [Math.fround(value)], what);
    const two = (await gelu(fill(gpu, [5000], 2)).read())[0];
    gpu.write(x.storage, new Float32Array(5000).fill(2));
    await is("written by the host", gelu(x), two);
    copyPart(fill(gpu, [5000], 1), x, { shape: [5000], xStrides: [1], outStrides: [1], xOffset: 0, outOffset: 0 });
    await is("written by a kernel", gelu(x), one);
    for (const value of [2, 1, 2]) {
      using _ = new Scope(gpu);
      await is("in memory that others had", gelu(fill(gpu, [5000], value)), value === 1 ? one : two);
    }
    gpu.recorder.copy(fill(gpu, [5000], 2).storage, 0, x.storage, 0, 20_000);
    await is("copied into", gelu(x), two);
  },
);

const source = await Deno.readTextFile(new URL("../shaders/gelu.wgsl", import.meta.url));
const changes: [string, string, string][] = [
  ["a parameter of a binding's name", "alias Real", "fn second(x: vec2f) -> f32 { return x[1]; }\nalias Real"],
  ["a pointer to an array", "let v = vec4f(x[i]);", "let all = &x;\n  let v = vec4f((*all)[i]);"],
  ["indices in indices", "vec4f(x[i])", "vec4f(x[u32(0.0 * x[i][0]) + i])"],
  ["the length of an array", "i * 4u >= p.size", "i >= min(arrayLength(&x), (p.size + 3u) / 4u)"],
  ["brackets in comments", "let v = vec4f(x[i]);", "let v = vec4f(x[i]); // x[ is not closed\n"],
];
for (const [what, from, to] of changes) {
  Deno.test(`a shader with ${what} computes the same from textures`, async () => {
    assertEquals(source.includes(from), true);
    using gpu = await Gpu.open({ shaders: { "gelu.wgsl": source.replace(from, to) } });
    const x = random(gpu, [9001], 4), isAlone = !/parameter|pointer/.test(what); // else x stays a buffer
    const [buffers, texels] = await bothWays(gpu, () => gelu(x), gpu.texelLimit > 0 && isAlone);
    assertEquals(texels, buffers);
  });
}
