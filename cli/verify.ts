import { backward } from "../engine/backward.ts";
import type { Gpu } from "../engine/gpu.ts";
import type { HostData, HostTensor } from "../engine/host_tensor.ts";
import { attentionVariants } from "../engine/ops/attention.ts";
import { crossEntropy } from "../engine/ops/cross_entropy.ts";
import { productVariants } from "../engine/ops/product.ts";
import { readSafetensorsFile } from "../model/safetensors.ts";
import { Scope } from "../engine/scope.ts";
import { loadVariants } from "../engine/choices.ts";
import { rowVariants } from "../engine/row_lanes.ts";
import { readTensors, tensor } from "../engine/tensor.ts";
import { WeftError } from "../engine/weft_error.ts";
import { Gpt } from "../model/gpt.ts";
import { setParameters } from "../model/model_config.ts";
import { AdamW } from "../train/adamw.ts";
import { describeOptions, resolveOptions } from "../train/options.ts";
import { parseCommandLine } from "./command_line.ts";
import { openGpu } from "./open_gpu.ts";
import { runCommand } from "./run_command.ts";

const options = {
  fixture: { type: "string", help: "folder with weights, batches and what PyTorch computed from them" },
  json: { type: "bool", default: false, help: "print the result as JSON" },
  dtype: { type: "string", choices: ["float32", "float16"], default: "float32", help: "how tensors are stored" },
  product: { type: "string", choices: productVariants, help: "compute all matrix products in this way" },
  attention: { type: "string", choices: attentionVariants, help: "compute all attention in this way" },
  rows: { type: "string", choices: rowVariants, help: "reduce all rows of norms and losses in this way" },
  loads: { type: "string", choices: loadVariants, help: "on llvmpipe: read all vec4s from textures, or from buffers" },
  shaders: {
    type: "string",
    default: "",
    help: "folder of .wgsl files that take the place of the built-in ones",
  },
} as const;

const help =
  `Compares a GPT on this adapter with what PyTorch computed in float64: logits, gradients, ten steps of AdamW.
Prints the relative L2 error of each tensor and exits with code 1 when one is beyond its tolerance.

  deno task verify --fixture=tests/fixtures/gpt_bias_tanh [--json]

${describeOptions(options)}`;

/**
 * The largest errors that pass. float32: rounding, over sums of some thousand terms. float16: weights and activations have
 * 11 bits, and each is off by up to 2⁻¹¹ of itself. The gradient of the key part of c_attn.bias is zero: Adam normalises its
 * rounding noise.
 */
const tolerances = {
  float32: { logits: 1e-5, gradient: 1e-5, loss: 1e-5, final: 5e-5, keyBias: 5e-4 },
  float16: { logits: 2e-3, gradient: 3e-3, loss: 2e-4, final: 5e-3, keyBias: 0.1 },
} as const;

/** One comparison. */
export interface Comparison {
  /** What was compared: `logits`, `grad.NAME`, `loss N`, `final.NAME`. */
  readonly name: string;
  /** Relative L2 error of a tensor, absolute error of a loss. */
  readonly error: number;
  /** The largest error that passes. */
  readonly tolerance: number;
}

/** In float16: a gradient of the fixtures that overflowed would change nothing, and show. */
const lossScale = 1024;

interface Expected {
  readonly config: Record<string, number | string | boolean>;
  readonly steps: readonly { readonly loss: number; readonly lr: number }[];
}

/** Runs a fixture and returns every comparison, in the order in which things are computed. */
export async function verifyFixture(
  gpu: Gpu,
  folder: string,
  dtype: "float32" | "float16" = "float32",
): Promise<Comparison[]> {
  const allowed = tolerances[dtype];
  const { config, steps } = await readExpected(`${folder}/expected.json`);
  const number = (key: string): number => {
    if (typeof config[key] !== "number") {
      throw new WeftError(`${folder}/expected.json: config.${key} is not a number`);
    }
    return config[key];
  };
  const [weights, batch, expected, final] = await Promise.all(
    ["weights", "batch", "expected", "final"].map(async (name) =>
      (await readSafetensorsFile(`${folder}/${name}.safetensors`)).tensors
    ),
  );
  const model = new Gpt(gpu, {
    n_layer: number("n_layer"),
    n_head: number("n_head"),
    n_embd: number("n_embd"),
    block_size: number("block"),
    vocab_size: number("vocab"),
    bias: Boolean(config.bias),
    activation: config.activation === "gelu" ? "gelu_erf" : "gelu_tanh",
  });
  setParameters(model, weights, `${folder}/weights.safetensors`);
  model.dtype = dtype === "float16" ? "f16" : "f32";
  const optimizer = new AdamW(model.parameters(), {
    ...dtype === "float16" ? { lossScale } : {},
    beta1: number("beta1"),
    beta2: number("beta2"),
    eps: number("eps"),
    weightDecay: number("wd"),
  });
  const comparisons: Comparison[] = [];
  for (const [step, { loss: expectedLoss, lr }] of steps.entries()) {
    using _ = new Scope(gpu, { grad: true });
    const [x, y] = ["x", "y"].map((name) => {
      const [count, B, T] = find(batch, name, folder).shape;
      if (count !== steps.length) {
        throw new WeftError(`${folder}: ${name} holds ${count} batches for ${steps.length} steps`);
      }
      return tensor(gpu, find(batch, name, folder).data.slice(step * B * T, (step + 1) * B * T), [B, T]);
    });
    // The first step goes over the logits, the others as training does, which never makes all of them.
    const logits = step === 0 ? model.forward(x) : undefined;
    const loss = logits ? crossEntropy(logits, y) : model.loss(x, y);
    backward(loss, { keep: logits ? [logits] : [], scale: optimizer.gradientOfLoss() });
    if (logits) {
      const computed = await readTensors([logits, ...[...model.parameters().values()].map((p) => p.grad!)]);
      ["logits", ...[...model.parameters().keys()].map((name) => `grad.${name}`)].forEach((name, i) => {
        const scale = name === "logits" || dtype === "float32" ? 1 : 1 / lossScale;
        const error = relativeError(computed[i].data.map((v) => v * scale), find(expected, name, folder).data);
        comparisons.push({ name, error, tolerance: name === "logits" ? allowed.logits : allowed.gradient });
      });
    }
    optimizer.step({ lr, clip: number("clip") });
    comparisons.push({
      name: `loss ${step}`,
      error: Math.abs(await loss.item() - expectedLoss),
      tolerance: allowed.loss,
    });
  }
  const trained = await readTensors([...model.parameters().values()]);
  [...model.parameters().keys()].forEach((name, i) => {
    const tolerance = name.endsWith("attn.c_attn.bias") ? allowed.keyBias : allowed.final;
    const error = relativeError(trained[i].data, find(final, name, folder).data);
    comparisons.push({ name: `final.${name}`, error, tolerance });
  });
  return comparisons;
}

/** `deno task verify`. */
export async function verifyCommand(args: string[]): Promise<void> {
  const { flags, help: wantsHelp } = parseCommandLine(args, { options });
  if (wantsHelp) return console.log(help);
  const { fixture, json, shaders, dtype, product, attention, rows, loads } = resolveOptions(options, [{
    source: "command line",
    values: flags,
  }]);
  if (!fixture) {
    throw new WeftError("--fixture is missing: give a folder, such as tests/fixtures/gpt_bias_tanh");
  }
  using gpu = await openGpu(shaders);
  gpu.forced = { product, attention, rows, loads };
  const comparisons = await verifyFixture(gpu, fixture, dtype);
  const failed = comparisons.filter(({ error, tolerance }) => !(error <= tolerance)); // a NaN fails
  if (json) {
    const rows = comparisons.map((row) => ({ ...row, passed: !failed.includes(row) }));
    console.log(
      JSON.stringify({ adapter: gpu.info.description, fixture, passed: failed.length === 0, rows }, null, 2),
    );
  } else {
    for (const row of comparisons) {
      const verdict = failed.includes(row) ? "FAILED" : "ok";
      console.log(
        `${row.name.padEnd(34)} ${row.error.toExponential(2)}  (allowed ${row.tolerance.toExponential(0)})  ${verdict}`,
      );
    }
    console.log(
      `${gpu.info.description}: ${comparisons.length - failed.length} within tolerance, ${failed.length} beyond`,
    );
  }
  if (failed.length > 0) {
    throw new WeftError(`${failed[0].name} and ${failed.length - 1} more differ from PyTorch`);
  }
}

/** ‖a − b‖ / ‖b‖; the absolute error where b is zero. */
function relativeError(a: HostData, b: HostData): number {
  if (a.length !== b.length) return NaN;
  let difference = 0, norm = 0;
  for (let i = 0; i < b.length; i++) {
    difference += (a[i] - b[i]) ** 2;
    norm += b[i] ** 2;
  }
  return Math.sqrt(difference / (norm || 1));
}

function find(tensors: ReadonlyMap<string, HostTensor>, name: string, folder: string): HostTensor {
  const found = tensors.get(name);
  if (found === undefined) throw new WeftError(`${folder} is no fixture: it has no tensor ${name}`);
  return found;
}

async function readExpected(path: string): Promise<Expected> {
  try {
    const value = JSON.parse(await Deno.readTextFile(path));
    if (Array.isArray(value.steps) && value.steps.length > 0 && typeof value.config === "object") {
      return value;
    }
  } catch (error) {
    throw new WeftError(`${path} cannot be read: ${(error as Error).message}`);
  }
  throw new WeftError(`${path} is no fixture's: it has no steps and config`);
}

if (import.meta.main) await runCommand(verifyCommand);
