// A recurrent network that learns to add: it reads two binary numbers bit by bit, the lowest first, and gives the bits
// of their sum. Composed from operations; backward runs through all time steps.
//   deno run examples/rnn.ts
import { AdamW, add, backward, concat, crossEntropy, Gpu, matmul, randomNormals, Scope, tanh, tensor } from "../mod.ts";
import { randomU32, reshape, type Tensor, zeros } from "../mod.ts";

using gpu = await Gpu.open();
const B = 64, T = 8, H = 24;

const parameters = new Map<string, Tensor>();
const weight = (name: string, shape: number[], stream: number) => {
  const values = randomNormals(shape[0] * shape[1], { seed: 7, stream, std: 1 / Math.sqrt(shape[0]) });
  parameters.set(name, tensor(gpu, values, shape, { requiresGrad: true, label: name }));
  return parameters.get(name)!;
};
const input = weight("input", [2, H], 0),
  hidden = weight("hidden", [H, H], 1),
  output = weight("output", [H, 2], 2);
const bias = zeros(gpu, [H], { requiresGrad: true, label: "bias" });
parameters.set("bias", bias);

/** Bits of B pairs of numbers, and those of their sums, from the lowest: x[t] is (B, 2), y is (B · T) by batch. */
function problems(step: number): { x: Float32Array<ArrayBuffer>[]; y: Int32Array<ArrayBuffer> } {
  const x = Array.from({ length: T }, () => new Float32Array(2 * B)), y = new Int32Array(B * T);
  for (let b = 0; b < B; b++) {
    const [m, n] = [0, 1].map((k) => randomU32(7, 3, (step * B + b) * 2 + k) % 2 ** (T - 1));
    for (let t = 0; t < T; t++) {
      x[t].set([(m >> t) & 1, (n >> t) & 1], 2 * b);
      y[b * T + t] = ((m + n) >> t) & 1;
    }
  }
  return { x, y };
}

function forward(x: Float32Array<ArrayBuffer>[]): Tensor {
  let state = zeros(gpu, [B, H]);
  const logits = x.map((bits) => {
    state = tanh(add(add(matmul(tensor(gpu, bits, [B, 2]), input), matmul(state, hidden)), bias));
    return reshape(matmul(state, output), [B, 1, 2]);
  });
  return reshape(concat(logits, 1), [B * T, 2]);
}

const optimizer = new AdamW(parameters, { weightDecay: 0 });
for (let step = 0; step <= 150; step++) {
  using _ = new Scope(gpu, { grad: true });
  const { x, y } = problems(step);
  const loss = crossEntropy(forward(x), tensor(gpu, y));
  backward(loss);
  optimizer.step({ lr: 0.02, clip: 1 });
  if (step % 50 === 0) console.log(`step ${step}: loss ${(await loss.item()).toFixed(4)}`);
}

using _ = new Scope(gpu);
const { x, y } = problems(1_000_000), logits = await forward(x).read();
const right = y.filter((bit, i) => (logits[2 * i + 1] > logits[2 * i] ? 1 : 0) === bit).length;
console.log(`${right} of ${y.length} bits of unseen sums are right`);
