// deno-lint-ignore-file no-import-prefix -- the import map is the project's, and this is no dependency of it
import * as tf from "npm:@tensorflow/tfjs-core@4.22.0";
// tfjs-core leaves its gradients out of what it publishes for Node; tfjs-layers brings them.
import "npm:@tensorflow/tfjs-layers@4.22.0";
import type { WebGPUBackend } from "npm:@tensorflow/tfjs-backend-webgpu@4.22.0";
import "npm:@tensorflow/tfjs-backend-webgpu@4.22.0";
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

type Variables = Record<string, tf.Variable>;

if (!(await tf.setBackend("webgpu"))) throw new Error("TensorFlow.js has no WebGPU here");
await tf.ready();
// It submits after 15 dispatches unless told otherwise; 300 make a step on llvmpipe a tenth faster.
tf.env().set("WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE", 300);

function layerNorm(x: tf.Tensor, weight: tf.Tensor): tf.Tensor {
  const { mean, variance } = tf.moments(x, -1, true);
  return tf.mul(tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-5))), weight);
}

function gelu(x: tf.Tensor): tf.Tensor {
  return tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1));
}

/** Logits (B·T, V). Two-dimensional between the blocks: so matMul needs no broadcasting, nor its gradient. */
function model(p: Variables, x: tf.Tensor, mask: tf.Tensor, sizes: GptSizes): tf.Tensor2D {
  const { n_layer, n_head, n_embd: C, block_size: T, batch_size: B } = sizes;
  const w = (name: string) => p[`${name}.weight`];
  const heads = (part: tf.Tensor) => tf.transpose(tf.reshape(part, [B, T, n_head, C / n_head]), [0, 2, 1, 3]);
  let h = tf.reshape(tf.add(tf.gather(w("wte"), x), w("wpe")), [B * T, C]);
  for (let i = 0; i < n_layer; i++) {
    const qkv = tf.matMul(layerNorm(h, w(`h.${i}.ln_1`)), w(`h.${i}.attn.c_attn`));
    const [q, k, v] = tf.split(qkv, 3, 1).map(heads);
    const scores = tf.add(tf.mul(tf.matMul(q, k, false, true), (C / n_head) ** -0.5), mask);
    const attended = tf.transpose(tf.matMul(tf.softmax(scores), v), [0, 2, 1, 3]);
    h = tf.add(h, tf.matMul(tf.reshape(attended, [B * T, C]), w(`h.${i}.attn.c_proj`)));
    const wide = gelu(tf.matMul(layerNorm(h, w(`h.${i}.ln_2`)), w(`h.${i}.mlp.c_fc`)));
    h = tf.add(h, tf.matMul(wide, w(`h.${i}.mlp.c_proj`)));
  }
  return tf.matMul(layerNorm(h, w("ln_f")), w("wte"), false, true);
}

let models = 0;

function step(sizes: GptSizes): Work {
  const { block_size: T, batch_size: B, vocab_size } = sizes;
  const prefix = `${models++}/`; // the names of variables are global
  const host = Object.entries(gptParameters(sizes));
  const p: Variables = Object.fromEntries(
    host.map(([name, { shape, data }]) => [name, tf.variable(tf.tensor(data, shape), true, prefix + name)]),
  );
  const batch = gptBatch(sizes);
  const x = tf.tensor(batch.x, [B, T], "int32");
  const chosen = tf.tidy(() => tf.cast(tf.oneHot(tf.tensor1d(batch.y, "int32"), vocab_size), "float32"));
  const above = Float32Array.from({ length: T * T }, (_, i) => i % T > Math.floor(i / T) ? -1e9 : 0);
  const mask = tf.tensor(above, [T, T]);
  // TensorFlow.js has Adam but not AdamW: the decay and the clipping stand here.
  const { lr, beta1, beta2, eps, decay, clip } = adamW;
  const adam = tf.train.adam(lr, beta1, beta2, eps);
  const variables = Object.values(p);
  return async () => {
    const value = tf.tidy(() => {
      const mean = () => tf.losses.softmaxCrossEntropy(chosen, model(p, x, mask, sizes)) as tf.Scalar;
      const { value, grads } = tf.variableGrads(mean, variables);
      // Not addN, which binds all of its inputs at once: more than a shader may have, and then its result is garbage.
      const norm = tf.sqrt(tf.sum(tf.stack(variables.map(({ name }) => tf.sum(tf.square(grads[name]))))));
      const scale = tf.minimum(tf.div(clip, tf.add(norm, 1e-6)), 1);
      for (const w of variables) if (w.rank > 1) w.assign(tf.mul(w, 1 - lr * decay));
      adam.applyGradients(variables.map(({ name }) => ({ name, tensor: tf.mul(grads[name], scale) })));
      return value;
    });
    const [result] = await value.data(); // is queued after the update, and so waits for it
    value.dispose();
    return result;
  };
}

function matmul(sizes: MatmulSizes): Work {
  const [a, b] = factors(sizes).map(({ data, shape }) => tf.tensor(data, shape));
  return async () => {
    const corner = tf.tidy(() => tf.slice(tf.matMul(a, b, sizes.transpose_a, sizes.transpose_b), [0, 0], [1, 1]));
    await corner.data(); // one element, and so the whole product is there
    corner.dispose();
  };
}

const info = (await navigator.gpu.requestAdapter())?.info;
await serve({
  name: `TensorFlow.js ${tf.version_core} webgpu`,
  adapter: info?.description || info?.vendor || "an unknown GPU",
  device: (tf.backend() as WebGPUBackend).device,
  matmul,
  step,
});
