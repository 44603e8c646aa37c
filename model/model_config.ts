import type { Gpu } from "../engine/gpu.ts";
import type { HostTensor } from "../engine/host_tensor.ts";
import { formatShape, sameShape } from "../engine/shape.ts";
import { WeftError } from "../engine/weft_error.ts";
import { Bigram } from "./bigram.ts";
import { Gpt } from "./gpt.ts";
import type { GptConfig } from "./gpt_config.ts";
import type { LanguageModel } from "./language_model.ts";

/** A model's `config.json`: for a GPT the fields that Hugging Face's `GPT2LMHeadModel` has, and `bias`. */
export type ModelConfigJson = Record<string, unknown>;

/** What `config.json` says of a model. */
export function modelConfigJson(model: LanguageModel): ModelConfigJson {
  if (!(model instanceof Gpt)) {
    return { model_type: "weft_bigram", vocab_size: model.vocabSize, n_positions: model.blockSize };
  }
  const { n_layer, n_head, n_embd, block_size, vocab_size, bias = true, dropout = 0, activation } = model.config;
  return {
    architectures: ["GPT2LMHeadModel"],
    model_type: "gpt2",
    n_layer,
    n_head,
    n_embd,
    n_positions: block_size,
    vocab_size,
    bias,
    activation_function: activation === "gelu_erf" ? "gelu" : "gelu_new",
    layer_norm_epsilon: 1e-5,
    embd_pdrop: dropout,
    attn_pdrop: dropout,
    resid_pdrop: dropout,
    tie_word_embeddings: true,
    torch_dtype: "float32",
  };
}

/** What a model may have otherwise than its `config.json` says. */
export interface ModelOverrides {
  /** Longest sequence, at most that of the file: further positions are left out. */
  readonly block_size?: number;
  /** Probability of dropout while training. */
  readonly dropout?: number;
}

/**
 * A model of the kind and size that a `config.json` describes, its parameters not yet set. `name` is the file's, for
 * messages.
 *
 * @throws {WeftError} when it describes none that Weft has.
 */
export function modelFromConfigJson(
  gpu: Gpu,
  json: ModelConfigJson,
  name: string,
  overrides: ModelOverrides = {},
): LanguageModel {
  if (json.model_type !== "weft_bigram") {
    return new Gpt(gpu, gptConfigFromJson(json, name, overrides), { initialize: false });
  }
  const [vocab_size, block_size] = ["vocab_size", "n_positions"].map((key) => {
    const value = json[key];
    if (Number.isSafeInteger(value) && value as number >= 1) return value as number;
    throw new WeftError(`${name}: ${key} is ${JSON.stringify(value)}: it must be a whole number from 1`);
  });
  return new Bigram(gpu, { vocab_size, block_size: overrides.block_size ?? block_size });
}

/** Values of `activation_function` of Hugging Face's GPT-2, and what Weft calls them. */
const activations: Readonly<Record<string, "gelu_tanh" | "gelu_erf">> = {
  gelu_new: "gelu_tanh",
  gelu_pytorch_tanh: "gelu_tanh",
  gelu: "gelu_erf",
};

/** What a `config.json` of a GPT-2 may say beside its size, and what it says when it says nothing. */
const allowedValues: Readonly<Record<string, readonly unknown[]>> = {
  layer_norm_epsilon: [1e-5],
  tie_word_embeddings: [true],
  scale_attn_weights: [true],
  scale_attn_by_inverse_layer_idx: [false],
  add_cross_attention: [false],
};

/**
 * The GPT that a `config.json` of Hugging Face's `GPT2LMHeadModel` describes, or one of Weft's own. Of its three
 * probabilities of dropout `resid_pdrop` is taken.
 *
 * @throws {WeftError} listing whatever in it Weft cannot do.
 */
export function gptConfigFromJson(json: ModelConfigJson, name: string, overrides: ModelOverrides = {}): GptConfig {
  const shown = (key: string) => `${key} is ${JSON.stringify(json[key])}`;
  if (json.model_type !== "gpt2") throw new WeftError(`${name}: ${shown("model_type")}: Weft reads gpt2`);
  const problems: string[] = [];
  const size = (key: string): number => {
    const value = json[key];
    if (Number.isSafeInteger(value) && value as number >= 1) return value as number;
    problems.push(`${shown(key)}: it must be a whole number from 1`);
    return 1;
  };
  const config = {
    n_layer: size("n_layer"),
    n_head: size("n_head"),
    n_embd: size("n_embd"),
    block_size: size("n_positions"),
    vocab_size: size("vocab_size"),
    bias: json.bias !== false,
    dropout: typeof json.resid_pdrop === "number" ? json.resid_pdrop : 0,
    activation: activations[String(json.activation_function ?? "gelu_new")],
  };
  if (config.activation === undefined) {
    problems.push(`${shown("activation_function")}: it must be one of ${Object.keys(activations).join(", ")}`);
  }
  for (const [key, allowed] of Object.entries(allowedValues)) {
    if (json[key] != null && !allowed.includes(json[key])) problems.push(`${shown(key)}: it must be ${allowed}`);
  }
  if (json.n_inner != null && json.n_inner !== 4 * config.n_embd) {
    problems.push(`${shown("n_inner")}: it must be 4 n_embd, ${4 * config.n_embd}`);
  }
  if (json.n_ctx != null && json.n_ctx !== json.n_positions) {
    problems.push(`${shown("n_ctx")}: it must be n_positions, ${JSON.stringify(json.n_positions)}`);
  }
  const { block_size = config.block_size, dropout = config.dropout } = overrides;
  if (problems.length === 0 && block_size > config.block_size) {
    problems.push(`${shown("n_positions")}: block_size ${block_size} is more; it can be cropped only`);
  }
  if (problems.length > 0) throw new WeftError(`${name}: Weft cannot compute this model: ${problems.join("; ")}`);
  return { ...config, block_size, dropout };
}

/**
 * Overwrites a model's parameters. `name` is that of the file they come from.
 *
 * @throws {WeftError} listing every parameter that is missing, unexpected or of another shape; nothing is changed then.
 */
export function setParameters(
  model: LanguageModel,
  tensors: ReadonlyMap<string, HostTensor>,
  name: string,
): void {
  const parameters = model.parameters(), problems: string[] = [];
  for (const [key, { shape }] of parameters) {
    const found = tensors.get(key);
    if (found === undefined) problems.push(`${key} is missing`);
    else if (!sameShape(found.shape, shape) || found.dtype !== "f32") {
      problems.push(
        `${key} is ${found.dtype} ${formatShape(found.shape)} where the model has f32 ${formatShape(shape)}`,
      );
    }
  }
  for (const key of tensors.keys()) {
    if (!parameters.has(key)) problems.push(`${key} is not a parameter of the model`);
  }
  if (problems.length > 0) throw new WeftError(`${name} does not fit the model: ${problems.join("; ")}`);
  for (const [key, { storage }] of parameters) model.gpu.write(storage, tensors.get(key)!.data);
}
