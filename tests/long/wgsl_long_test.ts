import { assertEquals } from "@std/assert";
import {
  AdamW,
  add,
  attentionVariants,
  backward,
  type DType,
  type ForcedVariants,
  gelu,
  Gpt,
  Gpu,
  loadVariants,
  matmul,
  max,
  mean,
  mul,
  productVariants,
  relu,
  rmsNorm,
  rowVariants,
  Scope,
  softmax,
  sum,
  type Tensor,
  tensor,
  transpose,
} from "../../mod.ts";
import { packRequests, sampleTokens } from "../../engine/ops/sample.ts";
import { asHardware, force } from "../_check_op.ts";

/** A kernel as the engine hands it to the device. */
interface Compiled {
  readonly label: string;
  readonly code: string;
  readonly entryPoint: string;
  readonly constants: Record<string, number>;
}

/** What a device is given to compile from here on, of which it compiles nothing. */
function record(device: GPUDevice): Compiled[] {
  const all: Compiled[] = [];
  Object.assign(device, {
    createShaderModule: ({ code }: GPUShaderModuleDescriptor) => ({ code }),
    createComputePipeline: ({ label, compute }: GPUComputePipelineDescriptor) => {
      const { module, entryPoint = "", constants = {} } = compute;
      all.push({ label: label!, code: (module as unknown as { code: string }).code, entryPoint, constants });
      return {};
    },
  });
  return all;
}

/** A step of training with everything that a GPT can have, tokens from a cache, and operations that no GPT needs. */
function everything(gpu: Gpu, dtype: DType, odd: number): void {
  using _ = new Scope(gpu);
  const config = { n_layer: 1, n_head: 2, n_embd: 32 + 2 * odd, block_size: 12, vocab_size: 20 + odd, dropout: 0.1 };
  const model = new Gpt(gpu, { ...config, bias: true });
  model.dtype = dtype as "f32" | "f16";
  const optimizer = new AdamW(model.parameters(), dtype === "f16" ? { lossScale: 16 } : {});
  const ids = tensor(gpu, new Int32Array(24), [2, 12]);
  {
    using _ = new Scope(gpu, { grad: true });
    backward(model.loss(ids, ids), { scale: optimizer.gradientOfLoss() });
  }
  optimizer.step({ lr: 1e-3, clip: 1 });
  const cache = model.newCache(2), rows = tensor(gpu, new Uint32Array([0, 1]));
  draw(model.forward(ids, { cache, rows, lastOnly: true }), config.vocab_size);
  cache.free();
  const x = tensor(gpu, new Float32Array(40 * (8 + odd)), [40, 8 + odd], { requiresGrad: true });
  using _grad = new Scope(gpu, { grad: true });
  const parts = [gelu(x), relu(x), softmax(x), rmsNorm(x, tensor(gpu, new Float32Array(8 + odd)))];
  const all = parts.reduce(add), products = matmul(transpose(all), mul(all, tensor(gpu, [2])));
  backward(add(sum(products), add(max(all), mean(all))));
}

/** Draws a token for each of two rows, with everything that a request can ask for. */
function draw(logits: Tensor, V: number): void {
  const { gpu } = logits, penalties = { repetitionPenalty: 1.1, frequencyPenalty: 0.1, presencePenalty: 0.1 };
  const request = { ...penalties, temperature: 0.8, topK: 3, topP: 0.9, minP: 0.1, seed: 1 },
    requests = [request, request];
  const words = (...shape: number[]) => tensor(gpu, new Uint32Array(shape.reduce((m, n) => m * n)), shape);
  sampleTokens(
    logits,
    {
      requests: tensor(gpu, packRequests(requests), [2, 12]),
      ids: words(2),
      history: words(16, 2),
      logProbs: tensor(gpu, new Float32Array(8), [4, 2]),
      counts: words(2, V),
      bias: tensor(gpu, new Float32Array(2 * V), [2, V]),
    },
    requests,
    0,
  );
}

Deno.test("every kernel is valid for a compiler that keeps WGSL's rules of uniformity, and keeps to its limits", async () => {
  const kernels = new Map<string, Compiled>();
  const ways: ForcedVariants[] = [
    ...productVariants.map((product) => ({ product })),
    ...attentionVariants.map((attention) => ({ attention })),
    ...rowVariants.map((rows) => ({ rows })),
    ...loadVariants.map((loads) => ({ loads })),
    { optimizer: "single" },
    {},
  ];
  for (const hardware of [false, true]) {
    using gpu = await Gpu.open();
    using _ = hardware ? asHardware(gpu) : undefined;
    const compiled = record(gpu.device);
    for (const way of ways) {
      using _ = force(gpu, way);
      for (const dtype of gpu.hasF16 ? ["f32", "f16"] as const : ["f32"] as const) {
        for (const odd of [0, 1]) gpu.rehearse(() => everything(gpu, dtype, odd));
      }
    }
    // Those with subgroups and textures are for llvmpipe alone, and in the words of Deno's compiler.
    const portable = compiled.filter(({ code }) => !/subgroup|texture_storage/.test(code));
    for (const kernel of portable) kernels.set(JSON.stringify(kernel), kernel);
  }
  assertEquals(kernels.size > 300, true, `${kernels.size}`);
  // In a process of its own, and by what it says: native code that ends badly would take the tests with it.
  const program = new URL("_dawn.ts", import.meta.url).pathname,
    config = new URL("../deno.json", import.meta.url).pathname;
  const permissions = ["--allow-ffi", "--allow-read", "--allow-env", "--allow-sys"];
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", `--config=${config}`, "--no-check", ...permissions, program],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const stdin = child.stdin.getWriter(), output = child.output();
  await stdin.write(new TextEncoder().encode(JSON.stringify([...kernels.values()])));
  await stdin.close();
  const { compiled, refused } = JSON.parse(new TextDecoder().decode((await output).stdout));
  assertEquals([compiled, [...new Set(refused)]], [kernels.size, []]);
});
