import type { Gpu } from "../engine/gpu.ts";
import type { HostTensor } from "../engine/host_tensor.ts";
import { formatShape, sameShape } from "../engine/shape.ts";
import { WeftError } from "../engine/weft_error.ts";
import { Bigram } from "./bigram.ts";
import { Gpt } from "./gpt.ts";
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

/**
 * A model of the kind and size that a `config.json` describes, with fresh parameters. `name` is the file's, for
 * messages.
 *
 * @throws {WeftError} when it describes none that Weft has.
 */
export function modelFromConfigJson(gpu: Gpu, json: ModelConfigJson, name: string): LanguageModel {
  const number = (key: string): number => {
    const value = json[key];
    if (typeof value !== "number") {
      throw new WeftError(`${name}: ${key} is ${JSON.stringify(value)}: it must be a number`);
    }
    return value;
  };
  if (json.model_type === "weft_bigram") {
    return new Bigram(gpu, { vocab_size: number("vocab_size"), block_size: number("n_positions") });
  }
  const activations: Record<string, "gelu_tanh" | "gelu_erf"> = { gelu_new: "gelu_tanh", gelu: "gelu_erf" };
  const activation = activations[String(json.activation_function)];
  if (json.model_type !== "gpt2" || activation === undefined) {
    throw new WeftError(
      `${name}: model_type is ${JSON.stringify(json.model_type)} with activation ` +
        `${JSON.stringify(json.activation_function)}: Weft reads gpt2 with gelu_new or gelu`,
    );
  }
  return new Gpt(gpu, {
    n_layer: number("n_layer"),
    n_head: number("n_head"),
    n_embd: number("n_embd"),
    block_size: number("n_positions"),
    vocab_size: number("vocab_size"),
    bias: json.bias !== false,
    dropout: typeof json.resid_pdrop === "number" ? json.resid_pdrop : 0,
    activation,
  });
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
