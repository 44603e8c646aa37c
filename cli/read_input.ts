import { WeftError } from "../engine/weft_error.ts";

/**
 * The bytes of a file, or of standard input without a name.
 *
 * @throws {WeftError} when they cannot be read.
 */
export async function readInput(path?: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    if (path !== undefined) return await Deno.readFile(path);
    return new Uint8Array(await new Response(Deno.stdin.readable).arrayBuffer());
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new WeftError(`${path} does not exist: give the path of a file`);
    if (error instanceof Deno.errors.IsADirectory) throw new WeftError(`${path} is a directory: give a file`);
    throw new WeftError(`${path ?? "standard input"} cannot be read: ${(error as Error).message}`);
  }
}

/**
 * The text of UTF-8, byte order mark and line ends included.
 *
 * @throws {WeftError} when the bytes are something else.
 */
export function textOf(bytes: Uint8Array<ArrayBuffer>, name = "standard input"): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new WeftError(`${name} is not UTF-8: convert it first`);
  }
}
