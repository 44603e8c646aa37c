// A multilayer perceptron that tells the two arms of a spiral apart: a classifier composed from operations alone.
//   deno run examples/mlp.ts
import {
  AdamW,
  add,
  backward,
  crossEntropy,
  Gpu,
  matmul,
  randomNormals,
  relu,
  Scope,
  type Tensor,
  tensor,
} from "../mod.ts";

using gpu = await Gpu.open();

// Two arms of 200 points each, with a little noise.
const count = 400, points = new Float32Array(2 * count), classes = new Int32Array(count);
const noise = randomNormals(2 * count, { seed: 1, stream: 0, std: 0.02 });
for (let i = 0; i < count; i++) {
  const arm = i % 2, t = Math.floor(i / 2) / 200, angle = 3.5 * Math.PI * t + arm * Math.PI;
  points.set([t * Math.cos(angle) + noise[2 * i], t * Math.sin(angle) + noise[2 * i + 1]], 2 * i);
  classes[i] = arm;
}
const x = tensor(gpu, points, [count, 2]), y = tensor(gpu, classes);

const sizes = [2, 64, 64, 2];
const parameters = new Map<string, Tensor>();
for (let layer = 0; layer + 1 < sizes.length; layer++) {
  const [fanIn, fanOut] = [sizes[layer], sizes[layer + 1]];
  const values = randomNormals(fanIn * fanOut, { seed: 1, stream: 1 + layer, std: Math.sqrt(2 / fanIn) }); // He et al. 2015
  parameters.set(`${layer}.weight`, tensor(gpu, values, [fanIn, fanOut], { requiresGrad: true }));
  parameters.set(`${layer}.bias`, tensor(gpu, new Float32Array(fanOut), [fanOut], { requiresGrad: true }));
}

function forward(input: Tensor): Tensor {
  let h = input;
  for (let layer = 0; layer + 1 < sizes.length; layer++) {
    if (layer > 0) h = relu(h);
    h = add(matmul(h, parameters.get(`${layer}.weight`)!), parameters.get(`${layer}.bias`)!);
  }
  return h; // (count, 2) logits
}

const optimizer = new AdamW(parameters, { weightDecay: 0 });
for (let step = 0; step <= 400; step++) {
  using _ = new Scope(gpu, { grad: true });
  const loss = crossEntropy(forward(x), y);
  backward(loss);
  optimizer.step({ lr: 0.01 });
  if (step % 100 === 0) console.log(`step ${step}: loss ${(await loss.item()).toFixed(4)}`);
}

using _ = new Scope(gpu);
const logits = await forward(x).read();
const correct = classes.filter((target, i) => (logits[2 * i + 1] > logits[2 * i] ? 1 : 0) === target).length;
console.log(`${correct} of ${count} points are told apart`);
