// deno-lint-ignore-file no-import-prefix -- the import map is the project's, and this is no dependency of it
import {
  blockUntilReady,
  defaultDevice,
  type Device,
  getWebGPUDevice,
  init,
  jit,
  nn,
  numpy as np,
  tree,
  valueAndGrad,
} from "npm:@jax-js/jax@0.1.25";
import {
  adamW,
  factors,
  gptBatch,
  gptParameters,
  type GptSizes,
  type MatmulSizes,
  serve,
  type Work,
} from "./_protocol.ts";

// jax-js counts references: a function takes its arguments over, and `.ref` keeps an array for one more use.
type Arrays = Record<string, np.Array>;
type State = { p: Arrays; m: Arrays; v: Arrays };

const device = (Deno.args.find((arg) => arg.startsWith("--device="))?.slice(9) ?? "webgpu") as Device;
if (!(await init(device)).includes(device)) throw new Error(`jax-js has no ${device} here`);
defaultDevice(device);

function layerNorm(x: np.Array, weight: np.Array): np.Array {
  return nn.standardize(x, -1).mul(weight);
}

function loss(p: Arrays, x: np.Array, y: np.Array, sizes: GptSizes): np.Array {
  const { n_layer, n_head, n_embd: C, block_size: T, batch_size: B, vocab_size } = sizes;
  const w = (name: string) => p[`${name}.weight`];
  // A product and not np.take, whose gradient is a shader that Deno refuses: it passes a pointer into storage.
  let h = nn.oneHot(x, vocab_size).reshape([B * T, vocab_size]);
  h = np.matmul(h, w("wte").ref).reshape([B, T, C]).add(w("wpe")).reshape([B * T, C]);
  for (let i = 0; i < n_layer; i++) {
    const qkv = np.matmul(layerNorm(h.ref, w(`h.${i}.ln_1`)), w(`h.${i}.attn.c_attn`));
    const [q, k, v] = np.split(qkv, 3, 1).map((part) => part.reshape([B, T, n_head, C / n_head]));
    const attended = nn.dotProductAttention(q, k, v, { isCausal: true }).reshape([B * T, C]);
    h = h.add(np.matmul(attended, w(`h.${i}.attn.c_proj`)));
    const wide = np.matmul(layerNorm(h.ref, w(`h.${i}.ln_2`)), w(`h.${i}.mlp.c_fc`));
    h = h.add(np.matmul(nn.gelu(wide, { approximate: false }), w(`h.${i}.mlp.c_proj`)));
  }
  const logits = np.matmul(layerNorm(h, w("ln_f")), w("wte").transpose());
  const chosen = nn.oneHot(y.reshape([B * T]), vocab_size);
  return nn.logSoftmax(logits, -1).mul(chosen).sum().mul(-1 / (B * T));
}

/** One step: `rates` are 1 / (1 − β₁ᵗ) and 1 / (1 − β₂ᵗ), which change from step to step. */
function update({ p, m, v }: State, rates: np.Array, x: np.Array, y: np.Array, sizes: GptSizes): [np.Array, State] {
  const { lr, beta1, beta2, eps, decay, clip } = adamW;
  const [value, g] = valueAndGrad((p: Arrays) => loss(p, x, y, sizes))(tree.ref(p));
  const names = Object.keys(p);
  const squares = names.map((name) => np.square(g[name].ref).sum());
  const norm = np.sqrt(squares.reduce((a, b) => a.add(b)));
  const scale = np.minimum(np.reciprocal(norm.add(1e-6)).mul(clip), 1);
  const [rate1, rate2] = [rates.ref.slice(0), rates.slice(1)];
  const next: State = { p: {}, m: {}, v: {} };
  for (const name of names) {
    const gradient = g[name].mul(scale.ref);
    const mean = m[name].mul(beta1).add(gradient.ref.mul(1 - beta1));
    const square = v[name].mul(beta2).add(np.square(gradient).mul(1 - beta2));
    const direction = mean.ref.mul(rate1.ref).div(np.sqrt(square.ref.mul(rate2.ref)).add(eps));
    const shrink = p[name].ndim > 1 ? 1 - lr * decay : 1;
    next.p[name] = p[name].mul(shrink).sub(direction.mul(lr));
    next.m[name] = mean;
    next.v[name] = square;
  }
  for (const scalar of [scale, rate1, rate2]) scalar.dispose();
  return [value, next];
}

async function step(sizes: GptSizes): Promise<Work> {
  const host = Object.entries(gptParameters(sizes));
  const arrays = (make: (data: Float32Array<ArrayBuffer>) => Float32Array<ArrayBuffer>) =>
    Object.fromEntries(host.map(([name, { shape, data }]) => [name, np.array(make(data)).reshape(shape)]));
  const zeros = (data: Float32Array) => new Float32Array(data.length);
  let state: State = { p: arrays((data) => data), m: arrays(zeros), v: arrays(zeros) };
  const batch = gptBatch(sizes), shape = [sizes.batch_size, sizes.block_size];
  const x = np.array(batch.x).reshape(shape), y = np.array(batch.y).reshape(shape);
  const compiled = jit((state: State, rates: np.Array, x: np.Array, y: np.Array) => update(state, rates, x, y, sizes));
  await blockUntilReady([x, y]);
  let t = 0;
  return async () => {
    t++;
    const rates = np.array([1 / (1 - adamW.beta1 ** t), 1 / (1 - adamW.beta2 ** t)]);
    const [value, next] = compiled(state, rates, x.ref, y.ref);
    state = next;
    if (device === "wasm") await blockUntilReady(state); // on a GPU the loss is read after all that is queued
    return (await value.data())[0];
  };
}

async function matmul(sizes: MatmulSizes): Promise<Work> {
  const [a, b] = factors(sizes).map(({ data, shape }) => np.array(data).reshape(shape));
  const compiled = jit((a: np.Array, b: np.Array) =>
    np.matmul(sizes.transpose_a ? a.transpose() : a, sizes.transpose_b ? b.transpose() : b)
  );
  await blockUntilReady([a, b]);
  return async () => {
    const product = compiled(a.ref, b.ref);
    await blockUntilReady(product);
    product.dispose();
  };
}

const gpu = device === "webgpu";
const info = gpu ? (await navigator.gpu.requestAdapter())?.info : undefined;
await serve({
  name: `jax-js 0.1.25 ${device}`,
  adapter: gpu
    ? info?.description || info?.vendor || "an unknown GPU"
    : `CPU, ${navigator.hardwareConcurrency} threads`,
  device: gpu ? getWebGPUDevice() : undefined,
  matmul,
  step,
});
