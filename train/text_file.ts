import { WeftError } from "../engine/weft_error.ts";

/**
 * Reads a text: UTF-8, without its byte order mark, with lines that end in LF.
 *
 * @throws {WeftError} when the file is missing, a directory, empty, or not UTF-8.
 */
export async function readTextFile(path: string): Promise<string> {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new WeftError(`${path} does not exist: give the path of a text file`);
    }
    if (error instanceof Deno.errors.IsADirectory) {
      throw new WeftError(`${path} is a directory: give a text file`);
    }
    throw new WeftError(`${path} cannot be read: ${(error as Error).message}`);
  }
  const text = decodeUtf8(path, bytes).replaceAll(/\r\n?/g, "\n");
  if (text.trim() === "") throw new WeftError(`${path} is empty: a text to learn from is needed`);
  return text;
}

function decodeUtf8(path: string, bytes: Uint8Array<ArrayBuffer>): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new WeftError(
      `${path} is not UTF-8: the first bad byte is at offset ${firstBadByte(bytes)}; convert it first`,
    );
  }
}

/** The longest valid prefix ends where decoding with replacement first differs from the bytes. */
function firstBadByte(bytes: Uint8Array<ArrayBuffer>): number {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const again = new TextEncoder().encode(decoder.decode(bytes));
  const at = bytes.findIndex((byte, i) => byte !== again[i]);
  return at < 0 ? bytes.length : at;
}
