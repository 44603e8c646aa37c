import { parse } from "@std/yaml";
import { WeftError } from "../engine/weft_error.ts";

/**
 * Reads a YAML file of `key: value` lines.
 *
 * @throws {WeftError} when it is missing, not YAML, or not a mapping.
 */
export async function readYamlConfig(path: string): Promise<Record<string, unknown>> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new WeftError(`${path} does not exist: give the path of a YAML file`);
    }
    throw new WeftError(`${path} cannot be read: ${(error as Error).message}`);
  }
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    throw new WeftError(`${path} is not YAML: ${(error as Error).message.split("\n")[0].replace(/:$/, "")}`);
  }
  if (value === null || value === undefined) return {};
  if (typeof value !== "object" || Array.isArray(value)) {
    throw new WeftError(`${path} must consist of \`key: value\` lines`);
  }
  return value as Record<string, unknown>;
}
