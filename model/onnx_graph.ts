import { version } from "../engine/version.ts";
import type { ExportTensor, StoredType } from "./export_tensor.ts";
import { ProtobufMessage } from "./protobuf.ts";

// Numbers of fields, types and versions are those of onnx.proto in ONNX 1.12, the first with operators of version 17.
const irVersion = 8, operators = 17;
const elementTypes: Record<StoredType | "i64", number> = { f32: 1, i64: 7, f16: 10, bf16: 16 };
/** Where tensors begin in a file of external data: at pages, so that they can be mapped. */
const alignment = 4096;

/** A whole number, some of them, or a float, which is told apart from a whole number by its wrapping. */
export type OnnxAttribute = number | readonly number[] | { readonly float: number };

/** What belongs to a node beside its inputs. */
export interface OnnxNodeOptions {
  /** Its attributes by name. */
  readonly attributes?: Readonly<Record<string, OnnxAttribute>>;
  /** Name of its output. Default: the operator with a number. */
  readonly output?: string;
  /** Names of its outputs, where it has several. */
  readonly outputs?: readonly string[];
}

/** An input or output of a graph: dimensions that are known when it runs only have a name. */
export interface OnnxValue {
  /** Its name. */
  readonly name: string;
  /** Type of its elements. */
  readonly dtype: "f32" | "i64";
  /** Its dimensions. */
  readonly shape: readonly (number | string)[];
}

/**
 * An ONNX graph that is being built: nodes in an order in which they can run, and the constants that they use. Values
 * are known by name. https://github.com/onnx/onnx/blob/main/docs/IR.md
 */
export class OnnxGraph {
  #nodes: ProtobufMessage[] = [];
  #initializers: ProtobufMessage[] = [];
  #constants = new Set<string>();
  #external: ExportTensor[] = [];
  #externalName?: string;
  #externalEnd = 0;

  /** A graph with its weights in it, or in a file of that name beside it. */
  constructor(externalName?: string) {
    this.#externalName = externalName;
  }

  /** Appends a node and gives the name of its output. */
  node(operator: string, inputs: readonly string[], options: OnnxNodeOptions = {}): string {
    const { attributes = {}, output = `${operator}_${this.#nodes.length}`, outputs = [output] } = options;
    const node = new ProtobufMessage();
    for (const input of inputs) node.add(1, input);
    for (const name of outputs) node.add(2, name);
    node.add(3, outputs[0]).add(4, operator);
    for (const [key, value] of Object.entries(attributes)) node.add(5, attribute(key, value));
    this.#nodes.push(node);
    return outputs[0];
  }

  /** Adds a weight under a name of its own. */
  weight(name: string, tensor: ExportTensor): string {
    const message = tensorMessage(name, tensor.dtype, tensor.shape);
    if (this.#externalName === undefined) message.add(9, tensor);
    else {
      const offset = Math.ceil(this.#externalEnd / alignment) * alignment;
      const place = { location: this.#externalName, offset: String(offset), length: String(tensor.byteLength) };
      for (const [key, value] of Object.entries(place)) {
        message.add(13, new ProtobufMessage().add(1, key).add(2, value));
      }
      message.add(14, 1); // it is external
      this.#external.push(tensor);
      this.#externalEnd = offset + tensor.byteLength;
    }
    this.#initializers.push(message);
    return name;
  }

  /** A constant list of whole numbers. */
  ints(values: readonly number[]): string {
    return this.#constant(
      `ints_${values.join("_")}`,
      "i64",
      [values.length],
      BigInt64Array.from(values, BigInt).buffer,
    );
  }

  /** A constant whole number. */
  int(value: number): string {
    return this.#constant(`int_${value}`, "i64", [], BigInt64Array.of(BigInt(value)).buffer);
  }

  /** A constant float. */
  float(value: number): string {
    return this.#constant(`float_${value}`, "f32", [], Float32Array.of(value).buffer);
  }

  /** The graph as a file. */
  model(name: string, inputs: readonly OnnxValue[], outputs: readonly OnnxValue[]): ProtobufMessage {
    const graph = new ProtobufMessage();
    for (const node of this.#nodes) graph.add(1, node);
    graph.add(2, name);
    for (const initializer of this.#initializers) graph.add(5, initializer);
    for (const input of inputs) graph.add(11, valueMessage(input));
    for (const output of outputs) graph.add(12, valueMessage(output));
    return new ProtobufMessage().add(1, irVersion).add(2, "Weft").add(3, version).add(7, graph)
      .add(8, new ProtobufMessage().add(1, "").add(2, operators));
  }

  /** What the file of external data holds. */
  async *externalData(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    let end = 0;
    for (const tensor of this.#external) {
      const offset = Math.ceil(end / alignment) * alignment;
      if (offset > end) yield new Uint8Array(offset - end);
      yield await tensor.read();
      end = offset + tensor.byteLength;
    }
  }

  #constant(name: string, dtype: "f32" | "i64", shape: readonly number[], elements: ArrayBuffer): string {
    if (!this.#constants.has(name)) {
      this.#initializers.push(tensorMessage(name, dtype, shape).add(9, new Uint8Array(elements)));
    }
    this.#constants.add(name);
    return name;
  }
}

function tensorMessage(name: string, dtype: StoredType | "i64", shape: readonly number[]): ProtobufMessage {
  const message = new ProtobufMessage();
  for (const dimension of shape) message.add(1, dimension);
  return message.add(2, elementTypes[dtype]).add(8, name);
}

function attribute(name: string, value: OnnxAttribute): ProtobufMessage {
  const message = new ProtobufMessage().add(1, name);
  if (typeof value === "number") return message.add(3, value).add(20, 2);
  if ("float" in value) return message.addFloat(2, value.float).add(20, 1);
  for (const element of value) message.add(8, element);
  return message.add(20, 7);
}

function valueMessage({ name, dtype, shape }: OnnxValue): ProtobufMessage {
  const dimensions = new ProtobufMessage();
  for (const size of shape) dimensions.add(1, new ProtobufMessage().add(typeof size === "number" ? 1 : 2, size));
  const tensor = new ProtobufMessage().add(1, elementTypes[dtype]).add(2, dimensions);
  return new ProtobufMessage().add(1, name).add(2, new ProtobufMessage().add(1, tensor));
}
