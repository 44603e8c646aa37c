import { WeftError } from "../engine/weft_error.ts";

/**
 * Reads a text as `readTextFile` does (UTF-8, without its byte order mark, with lines that end in LF), but piece by
 * piece, so that a file of any size takes little memory.
 *
 * @throws {WeftError} when the file is missing, a directory, or not UTF-8.
 */
export async function* readTextPieces(path: string, size = 1 << 20): AsyncGenerator<string> {
  using file = await open(path);
  const decoder = new TextDecoder("utf-8", { fatal: true }), buffer = new Uint8Array(size);
  let offset = 0, held = "";
  for (let read: number | null = 0; read !== null;) {
    try {
      read = await file.read(buffer);
    } catch (error) {
      throw new WeftError(`${path} cannot be read: ${(error as Error).message}`);
    }
    let piece: string;
    try {
      piece = held + (read === null ? decoder.decode() : decoder.decode(buffer.subarray(0, read), { stream: true }));
    } catch {
      throw new WeftError(
        `${path} is not UTF-8: a bad byte is at or just before offset ${offset} to ${
          offset + (read ?? 0)
        }; convert it first`,
      );
    }
    offset += read ?? 0;
    held = read !== null && piece.endsWith("\r") ? "\r" : ""; // its LF may come with the next piece
    const text = piece.slice(0, piece.length - held.length).replaceAll(/\r\n?/g, "\n");
    if (text !== "") yield text;
  }
}

async function open(path: string): Promise<Deno.FsFile> {
  try {
    const { isDirectory } = await Deno.stat(path);
    if (!isDirectory) return await Deno.open(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new WeftError(`${path} does not exist: give the path of a text file`);
    }
    throw new WeftError(`${path} cannot be read: ${(error as Error).message}`);
  }
  throw new WeftError(`${path} is a directory: give a text file`);
}
