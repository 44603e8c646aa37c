import { formatShape, sameShape } from "../engine/shape.ts";
import type { Tensor } from "../engine/tensor.ts";
import { WeftError } from "../engine/weft_error.ts";
import type { LanguageModel } from "./language_model.ts";
import type { TensorPlace } from "./safetensors_format.ts";
import type { WeightFiles } from "./weight_files.ts";

/** Bytes that may wait to be taken over by the GPU. */
const mostInFlight = 1 << 28;

/**
 * Overwrites a model's parameters with those of files, piece by piece. They may be Hugging Face's, where names begin
 * with `transformer.`, causal masks are stored as `attn.bias` and `attn.masked_bias`, and `lm_head.weight` is the token
 * embedding once more. Of more positions than the model has, the first ones are taken.
 *
 * @throws {WeftError} listing every parameter that is missing, unexpected, of another shape or no floating-point
 * numbers; nothing is changed then. Also when the head is not the token embedding.
 */
export async function loadWeights(model: LanguageModel, files: WeightFiles): Promise<void> {
  const parameters = model.parameters(), problems: string[] = [], keys = new Map<string, string>();
  for (const key of files.tensors.keys()) {
    const name = key.replace(/^transformer\./, "");
    if (/^h\.\d+\.attn\.(masked_)?bias$/.test(name)) continue; // masks, not parameters
    if (keys.has(name)) problems.push(`${name} is there twice, as ${keys.get(name)} and ${key}`);
    keys.set(name, key);
  }
  const head = keys.get("lm_head.weight");
  if (head !== undefined && !parameters.has("lm_head.weight")) {
    keys.delete("lm_head.weight");
    if (!keys.has("wte.weight")) keys.set("wte.weight", head); // tied ones may be stored under either name
  }
  for (const [name, { shape }] of parameters) {
    const key = keys.get(name), found = key === undefined ? undefined : files.tensors.get(key)!;
    if (found === undefined) problems.push(`${name} is missing`);
    else if (!["F64", "F32", "F16", "BF16"].includes(found.dtype) || !fits(name, found.shape, shape)) {
      problems.push(`${key} is ${found.dtype} ${formatShape(found.shape)} where the model has ${formatShape(shape)}`);
    }
  }
  for (const [name, key] of keys) if (!parameters.has(name)) problems.push(`${key} is not a parameter of the model`);
  if (problems.length > 0) throw new WeftError(`${files.path} does not fit the model: ${problems.join("; ")}`);
  const embedding = keys.get("wte.weight")!;
  if (head !== undefined && head !== embedding && !await areEqual(files, head, embedding)) {
    throw new WeftError(
      `${files.path}: ${head} is not the token embedding, ${embedding}: Weft has models whose head is`,
    );
  }
  await fillTensors([...parameters].map(([name, tensor]) => [tensor, keys.get(name)!]), files);
}

/**
 * Overwrites f32 tensors with those of files that have these names and at least as many elements, piece by piece.
 */
export async function fillTensors(
  tensors: readonly (readonly [tensor: Tensor, key: string])[],
  files: WeightFiles,
): Promise<void> {
  let inFlight = 0;
  for (const [{ gpu, storage, offset, size }, key] of tensors) {
    let at = 0;
    for await (const piece of files.pieces(key)) {
      const data = piece.subarray(0, size - at);
      gpu.write(storage, data, 4 * (offset + at));
      at += data.length;
      inFlight += data.byteLength;
      if (inFlight >= mostInFlight) {
        gpu.device.queue.submit([]); // what is written has a copy in memory until a submission is done
        await gpu.finish();
        inFlight = 0;
      }
      if (at === size) break;
    }
  }
}

/** Whether a tensor has the shape of a parameter, or at least as many positions. */
function fits(name: string, found: TensorPlace["shape"], shape: readonly number[]): boolean {
  if (sameShape(found, shape)) return true;
  return name === "wpe.weight" && found.length === 2 && found[0] > shape[0] && found[1] === shape[1];
}

async function areEqual(files: WeightFiles, one: string, other: string): Promise<boolean> {
  const [a, b] = [one, other].map((key) => files.tensors.get(key)!);
  if (a.dtype !== b.dtype || !sameShape(a.shape, b.shape)) return false;
  const others = files.pieces(other);
  for await (const piece of files.pieces(one)) {
    const bits = bitsOf(piece), expected = bitsOf((await others.next()).value!);
    if (!bits.every((element, i) => element === expected[i])) return false;
  }
  return true;
}

function bitsOf({ buffer, byteOffset, length }: Float32Array<ArrayBuffer>): Uint32Array {
  return new Uint32Array(buffer, byteOffset, length);
}
