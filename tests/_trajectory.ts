import { assertEquals } from "@std/assert";
import {
  AdamW,
  backward,
  type ForcedVariants,
  Gpt,
  type Gpu,
  type HostTensor,
  readTensors,
  Scope,
  type Tensor,
  tensor,
} from "../mod.ts";
import { setParameters } from "../model/model_config.ts";
import { readSafetensorsFile } from "../model/safetensors.ts";
import { force, gpuTest } from "./_check_op.ts";
import { root } from "./_program.ts";

/** 200 steps that PyTorch took in float64: the initial parameters, the batches, and the losses. */
const folder = `${root}/tests/fixtures/gpt_200_steps`;
const { config, steps } = JSON.parse(await Deno.readTextFile(`${folder}/expected.json`)) as {
  config: Record<"n_layer" | "n_head" | "n_embd" | "block" | "batch" | "vocab" | "beta2" | "wd" | "clip", number>;
  steps: { loss: number; lr: number }[];
};
const [weights, batch] = await Promise.all(
  ["weights", "batch"].map(async (name) => (await readSafetensorsFile(`${folder}/${name}.safetensors`)).tensors),
);

/** Kernels that are forced, and how the model computes. */
export type Way = ForcedVariants & { checkpointing?: boolean; half?: boolean };

/** A test that 200 steps taken in a way have PyTorch's losses within 1 %. */
export function followsPyTorch({ checkpointing = false, half = false, ...forced }: Way, name: string): void {
  gpuTest(`200 steps follow PyTorch's within 1 %: ${name}`, async (gpu) => {
    using _ = force(gpu, forced);
    await follow(gpu, { checkpointing, half });
  });
}

/** Takes the steps of the fixture and compares every loss. */
export async function follow(
  gpu: Gpu,
  { checkpointing, half }: { readonly checkpointing: boolean; readonly half: boolean },
): Promise<void> {
  const { n_layer, n_head, n_embd, block: T, batch: B, vocab: vocab_size } = config;
  const shape = { n_layer, n_head, n_embd, block_size: T, vocab_size, bias: true, activation: "gelu_erf" as const };
  using outer = new Scope(gpu); // what the model holds goes back at the end
  const model = new Gpt(gpu, shape);
  model.activationCheckpointing = checkpointing;
  model.dtype = half ? "f16" : "f32";
  setParameters(model, weights, folder);
  const scaling = half ? { lossScale: 1024, growthInterval: 50 } : {}; // one that changes within the 200 steps
  const optimizer = new AdamW(model.parameters(), { beta2: config.beta2, weightDecay: config.wd, ...scaling });
  const losses: Tensor[] = [], part = ({ data }: HostTensor, i: number) => data.slice(i * B * T, (i + 1) * B * T);
  for (const [i, { lr }] of steps.entries()) {
    using inner = new Scope(gpu, { grad: true });
    const [x, y] = ["x", "y"].map((name) => tensor(gpu, part(batch.get(name)!, i), [B, T]));
    const loss = model.loss(x, y);
    backward(loss, { scale: optimizer.gradientOfLoss() });
    losses.push(inner.keep(loss));
    optimizer.step({ lr, clip: config.clip });
  }
  for (const [i, { data }] of (await readTensors(losses)).entries()) {
    const off = Math.abs(data[0] / steps[i].loss - 1);
    if (!(off <= 0.01)) throw new Error(`step ${i}: loss ${data[0]}, PyTorch has ${steps[i].loss}`);
  }
  assertEquals((await optimizer.lossScale.read())[0], half ? 16_384 : 1);
  void outer;
}
