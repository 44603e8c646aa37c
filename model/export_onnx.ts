import type { ExportFiles } from "./export_files.ts";
import { exportTensor, type StoredType } from "./export_tensor.ts";
import { huggingFaceFiles } from "./export_hugging_face.ts";
import type { Gpt } from "./gpt.ts";
import { OnnxGraph } from "./onnx_graph.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** How a model is written as ONNX. */
export interface OnnxOptions {
  /** How matrices are stored; the graph computes in f32 whatever it is. Default: f32. */
  readonly dtype?: StoredType;
  /** Whether weights get a file of their own. Default: above 1.9 GB, since no message of protobuf reaches 2 GiB. */
  readonly externalData?: boolean;
}

const input = "input_ids", dataName = "model.onnx_data", largestInside = 1.9e9;
/** A score that no softmax sees beside others, and no infinity, with which some runtimes compute NaN. */
const masked = -3.4028234663852886e38;

/**
 * The files of a folder with an ONNX model: `model.onnx`, which takes `input_ids`, int64 (batch, sequence) with a
 * sequence of at most block_size, to `logits`, f32 (batch, sequence, vocabulary); `model.onnx_data`, where weights have a
 * file of their own; and what `huggingFaceFiles` gives. Operators are of version 17.
 *
 * @example
 * ```ts
 * import { Gpu } from "../engine/gpu.ts";
 * import { CharTokenizer } from "./char_tokenizer.ts";
 * import { exportOnnx } from "./export_onnx.ts";
 * import { Gpt } from "./gpt.ts";
 *
 * using gpu = await Gpu.open();
 * const tokenizer = CharTokenizer.fromText("abcdefgh");
 * const model = new Gpt(gpu, { n_layer: 1, n_head: 2, n_embd: 8, block_size: 4, vocab_size: 8 });
 * const files = exportOnnx(model, tokenizer);
 * console.log(Object.keys(files)); // ["model.onnx", "config.json", …]
 * for await (const bytes of files["model.onnx"]()) console.log(bytes.length); // what to write, piece by piece
 * ```
 */
export function exportOnnx(gpt: Gpt, tokenizer: Tokenizer, options: OnnxOptions = {}): ExportFiles {
  const { dtype = "f32" } = options;
  const elements = gpt.parameters().values().reduce((sum, { size }) => sum + size, 0);
  const isExternal = options.externalData ?? elements * (dtype === "f32" ? 4 : 2) > largestInside;
  const graph = new OnnxGraph(isExternal ? dataName : undefined);
  const output = buildGpt(graph, gpt, dtype), shape = ["batch", "sequence"];
  const model = graph.model(
    "gpt2",
    [{ name: input, dtype: "i64", shape }],
    [{ name: output, dtype: "f32", shape: [...shape, gpt.vocabSize] }],
  );
  return {
    "model.onnx": () => model.contents(),
    ...isExternal ? { [dataName]: () => graph.externalData() } : {},
    ...huggingFaceFiles(gpt, tokenizer, dtype),
  };
}

/** Adds the nodes of `Gpt.forward` without dropout, and gives the name of the logits. */
function buildGpt(graph: OnnxGraph, gpt: Gpt, dtype: StoredType): string {
  const { n_layer, n_head, n_embd: C, activation = "gelu_tanh" } = gpt.config, parameters = gpt.parameters();
  const node = graph.node.bind(graph), ints = graph.ints.bind(graph), float = graph.float.bind(graph);

  const weight = (name: string): string => {
    const tensor = parameters.get(name)!, isMatrix = tensor.shape.length > 1;
    const stored = graph.weight(name, exportTensor(tensor, { dtype: isMatrix ? dtype : "f32" }));
    return isMatrix && dtype !== "f32" ? node("Cast", [stored], { attributes: { to: 1 } }) : stored; // 1 is f32
  };
  const norm = (x: string, name: string): string => {
    const bias = parameters.has(`${name}.bias`) ? [weight(`${name}.bias`)] : [];
    return node("LayerNormalization", [x, weight(`${name}.weight`), ...bias], {
      attributes: { epsilon: { float: 1e-5 } },
    });
  };
  const linear = (x: string, name: string): string => {
    const product = node("MatMul", [x, weight(`${name}.weight`)]);
    return parameters.has(`${name}.bias`) ? node("Add", [product, weight(`${name}.bias`)]) : product;
  };
  const gelu = (x: string): string => {
    const half = node("Mul", [x, float(0.5)]);
    let inner: string;
    if (activation === "gelu_erf") inner = node("Erf", [node("Mul", [x, float(Math.SQRT1_2)])]);
    else {
      const cube = node("Mul", [node("Mul", [x, x]), x]);
      const sum = node("Add", [x, node("Mul", [cube, float(0.044715)])]);
      inner = node("Tanh", [node("Mul", [sum, float(Math.sqrt(2 / Math.PI))])]);
    }
    return node("Mul", [half, node("Add", [inner, float(1)])]);
  };

  // The length T as a list of one number, and a mask (T, T) of what lies in the future.
  const T = node("Shape", [input], { attributes: { start: 1, end: 2 } });
  const square = node("Concat", [T, T], { attributes: { axis: 0 } });
  const mask = node("Trilu", [node("Expand", [float(masked), square]), graph.int(1)], { attributes: { upper: 1 } });
  const attention = (x: string, name: string): string => {
    const outputs = ["q", "k", "v"].map((which) => `${name}.${which}`);
    node("Split", [linear(x, `${name}.c_attn`), ints([C, C, C])], { attributes: { axis: 2 }, outputs });
    const heads = (x: string, perm: readonly number[]): string =>
      node("Transpose", [node("Reshape", [x, ints([0, 0, n_head, C / n_head])])], { attributes: { perm } });
    const [q, k, v] = [
      heads(outputs[0], [0, 2, 1, 3]),
      heads(outputs[1], [0, 2, 3, 1]),
      heads(outputs[2], [0, 2, 1, 3]),
    ];
    const scores = node("Mul", [node("MatMul", [q, k]), float(1 / Math.sqrt(C / n_head))]);
    const weights = node("Softmax", [node("Add", [scores, mask])], { attributes: { axis: 3 } });
    const attended = node("Transpose", [node("MatMul", [weights, v])], { attributes: { perm: [0, 2, 1, 3] } });
    return linear(node("Reshape", [attended, ints([0, 0, C])]), `${name}.c_proj`);
  };

  const wte = weight("wte.weight");
  const positions = node("Slice", [weight("wpe.weight"), ints([0]), T, ints([0])]);
  let x = node("Add", [node("Gather", [wte, input]), positions]);
  for (let i = 0; i < n_layer; i++) {
    x = node("Add", [x, attention(norm(x, `h.${i}.ln_1`), `h.${i}.attn`)]);
    const hidden = gelu(linear(norm(x, `h.${i}.ln_2`), `h.${i}.mlp.c_fc`));
    x = node("Add", [x, linear(hidden, `h.${i}.mlp.c_proj`)]);
  }
  const head = node("Transpose", [wte], { attributes: { perm: [1, 0] } });
  return node("MatMul", [norm(x, "ln_f"), head], { output: "logits" });
}
