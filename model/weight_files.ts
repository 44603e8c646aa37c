import { WeftError } from "../engine/weft_error.ts";
import { SafetensorsFile } from "./safetensors_file.ts";
import { isObject, type TensorPlace } from "./safetensors_format.ts";

/**
 * The tensors of a directory in Hugging Face's layout: `NAME.safetensors`, or several files of which
 * `NAME.safetensors.index.json` says which tensor is in which. Nothing but headers is in memory.
 */
export class WeightFiles implements Disposable {
  /** The file that holds them, or that says where they are: for messages. */
  readonly path: string;
  /** The tensors by name, in the order of the files. */
  readonly tensors: ReadonlyMap<string, TensorPlace>;
  /** The strings under `__metadata__` of the first file. */
  readonly metadata: Readonly<Record<string, string>>;
  #files: readonly SafetensorsFile[];

  private constructor(path: string, files: readonly SafetensorsFile[]) {
    this.path = path;
    this.tensors = new Map(files.flatMap(({ tensors }) => [...tensors]));
    this.metadata = files[0].metadata;
    this.#files = files;
  }

  /**
   * Opens the files of a directory. `base` is the NAME.
   *
   * @throws {WeftError} when there are none, when a file is missing or damaged, when the index names a file outside of
   * the directory, and when a tensor is in two files or not in that which the index says.
   */
  static async open(directory: string, base = "model"): Promise<WeightFiles> {
    const single = `${directory}/${base}.safetensors`, index = `${single}.index.json`;
    if (await exists(single) || !await exists(index)) {
      return new WeightFiles(single, [await SafetensorsFile.open(single)]);
    }
    const weightMap = await readIndex(index), files: SafetensorsFile[] = [];
    try {
      for (const name of new Set(weightMap.values())) files.push(await SafetensorsFile.open(`${directory}/${name}`));
      checkIndex(index, weightMap, files);
      return new WeightFiles(index, files);
    } catch (error) {
      for (const file of files) file[Symbol.dispose]();
      throw error;
    }
  }

  /** The elements of a tensor as f32, in order, in pieces that hold until the next one is asked for. */
  pieces(name: string): AsyncGenerator<Float32Array<ArrayBuffer>, void, undefined> {
    return this.#files.find(({ tensors }) => tensors.has(name))!.pieces(name);
  }

  /** Closes the files. */
  [Symbol.dispose](): void {
    for (const file of this.#files) file[Symbol.dispose]();
  }
}

/** Which tensor is in which file. */
async function readIndex(path: string): Promise<Map<string, string>> {
  const fail = (problem: string): never => {
    throw new WeftError(`${path} is no index of safetensors files: ${problem}`);
  };
  let index: unknown;
  try {
    index = JSON.parse(await Deno.readTextFile(path));
  } catch (error) {
    fail(error instanceof SyntaxError ? "it is not JSON" : (error as Error).message);
  }
  const weightMap = isObject(index) && isObject(index.weight_map) ? Object.entries(index.weight_map) : [];
  if (weightMap.length === 0) fail("it has no weight_map");
  for (const [key, name] of weightMap) {
    if (typeof name !== "string" || !/^\w[\w.-]*\.safetensors$/.test(name)) {
      fail(`${key} is said to be in ${JSON.stringify(name)}, which is no name of a file beside it`);
    }
  }
  return new Map(weightMap as [string, string][]);
}

function checkIndex(path: string, weightMap: ReadonlyMap<string, string>, files: readonly SafetensorsFile[]): void {
  const problems: string[] = [], found = new Map<string, string>();
  for (const file of files) {
    const name = file.path.slice(file.path.lastIndexOf("/") + 1);
    for (const key of file.tensors.keys()) {
      if (found.has(key)) problems.push(`${key} is both in ${found.get(key)} and in ${name}`);
      else if (weightMap.get(key) !== name) {
        const said = weightMap.get(key);
        problems.push(
          `${key} is in ${name}, and the index ${said === undefined ? "does not name it" : `says ${said}`}`,
        );
      }
      found.set(key, name);
    }
  }
  for (const [key, name] of weightMap) if (!found.has(key)) problems.push(`${key} is not in ${name}`);
  if (problems.length > 0) throw new WeftError(`${path} does not fit its files: ${problems.join("; ")}`);
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
