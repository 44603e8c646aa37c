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

/** Where the first sequence begins that decoding replaces by U+FFFD although the file does not spell U+FFFD. */
function firstBadByte(bytes: Uint8Array<ArrayBuffer>): number {
  const encoder = new TextEncoder();
  let at = 0;
  for (const character of new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes)) {
    const again = encoder.encode(character); // compared whole: EF alone begins like U+FFFD's own EF BF BD
    if (again.some((byte, i) => byte !== bytes[at + i])) return at;
    at += again.length;
  }
  return at;
}
