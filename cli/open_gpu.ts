import { Gpu } from "../engine/gpu.ts";
import { WeftError } from "../engine/weft_error.ts";

/**
 * Opens the GPU, with the `.wgsl` files of a folder in place of the built-in shaders of their names.
 *
 * @throws {WeftError} when the folder cannot be read or holds none.
 */
export async function openGpu(shaderFolder = ""): Promise<Gpu> {
  return await Gpu.open({ shaders: shaderFolder === "" ? {} : await readShaders(shaderFolder) });
}

async function readShaders(folder: string): Promise<Record<string, string>> {
  const shaders: Record<string, string> = {};
  try {
    for await (const { name, isFile } of Deno.readDir(folder)) {
      if (isFile && name.endsWith(".wgsl")) shaders[name] = await Deno.readTextFile(`${folder}/${name}`);
    }
  } catch (error) {
    throw new WeftError(`${folder} cannot be read as a folder of shaders: ${(error as Error).message}`);
  }
  if (Object.keys(shaders).length === 0) throw new WeftError(`${folder} holds no .wgsl file`);
  return shaders;
}
