import { assertEquals } from "@std/assert";
import { attention, attentionVariants, backward, fill, Scope, selfAttention, sum, tensor } from "../../mod.ts";
import { checkOp, expectClose, gpuTest } from "../_check_op.ts";
import * as ref from "../_reference.ts";

// Kernels for wide heads take a CPU adapter's compiler many seconds.
for (const attentionBy of attentionVariants) {
  for (const [B, T, H, D] of [[1, 70, 1, 64], [1, 40, 2, 52], [1, 20, 1, 128]]) {
    checkOp(`self-attention by ${attentionBy}, (${B},${T},${H},${D}), with dropout`, {
      inputs: [{ shape: [B, T, 3 * H * D], range: [-1.5, 1.5] }],
      run: (qkv) => selfAttention(qkv, H, { dropout: { p: 0.25, key: { seed: 3, counter: 8 } } }),
      reference: (qkv) => ref.selfAttention(qkv, H, true, { p: 0.25, key: { seed: 3, counter: 8 } }),
      forced: { attention: attentionBy },
      samples: 6,
    });
  }
}

gpuTest("attention is right up to the driver's limit of loops, and refuses what lies beyond", async (gpu) => {
  for (const D of [32, 48, 64, 128]) {
    // The longest T of powers of 2 that is allowed: values count the keys, so that a loop that stops early shows.
    for (const T of [256, 512, 1024, 2048]) {
      using _ = new Scope(gpu, { grad: true });
      const few = fill(gpu, [1, 1, 4, D], 0), many = fill(gpu, [1, 1, T, D], 0);
      const counted = tensor(gpu, Float32Array.from({ length: T * D }, (_, i) => Math.floor(i / D) / T), [1, 1, T, D]);
      const v = fill(gpu, [1, 1, 4, D], 0, { requiresGrad: true });
      try {
        const mean = (await attention(few, many, counted, { causal: false }).read())[0];
        expectClose(`mean over ${T} keys of ${D}`, [mean], [(T - 1) / 2 / T], 1e-4);
        backward(sum(attention(many, few, v, { causal: false })));
        expectClose(`gradient over ${T} queries of ${D}`, (await v.grad!.read()).slice(0, 1), [T / 4], 1e-4);
      } catch (error) {
        if (!(error as Error).message.includes("this driver stops at")) throw error;
        assertEquals(gpu.loopLimit < Infinity && T >= 512, true);
      }
      v.zeroGrad();
    }
  }
});
