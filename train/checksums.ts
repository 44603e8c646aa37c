import { WeftError } from "../engine/weft_error.ts";
import { Xxh32 } from "./xxh32.ts";

/** The file of a directory that holds the checksums of the others. */
export const checksumsFile = "checksums.txt";

const pieceBytes = 1 << 22;

/**
 * Writes `checksums.txt` into a directory: a line `XXH32 BYTES NAME` for each file, and a last one for the lines before
 * it, so that damage to this file is not taken for damage to another.
 */
export async function writeChecksums(directory: string, files: ReadonlyMap<string, Xxh32>): Promise<void> {
  const lines = [...files].map(([name, hash]) => lineOf(hash, name)).join("");
  await Deno.writeTextFile(`${directory}/${checksumsFile}`, lines + lineOf(hashText(lines), checksumsFile));
}

/** The hash of a text in UTF-8. */
export function hashText(text: string): Xxh32 {
  const hash = new Xxh32();
  hash.update(new TextEncoder().encode(text));
  return hash;
}

/**
 * Reads every file that `checksums.txt` of a directory names, or those of them that are `wanted`, and compares. A
 * directory without one is not checked: other programs' have none. Returns whether it was.
 *
 * @throws {WeftError} listing every file that is missing, of another length or of other contents.
 */
export async function verifyChecksums(
  directory: string,
  wanted: (name: string) => boolean = () => true,
): Promise<boolean> {
  let text: string;
  try {
    text = new TextDecoder().decode(await Deno.readFile(`${directory}/${checksumsFile}`));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw new WeftError(`${directory}/${checksumsFile} cannot be read: ${(error as Error).message}`);
  }
  const end = text.lastIndexOf("\n", text.length - 2) + 1, lines = text.slice(0, end);
  if (text.slice(end) !== lineOf(hashText(lines), checksumsFile)) {
    throw new WeftError(`${directory}/${checksumsFile} is damaged: it does not have its own checksum`);
  }
  const problems: string[] = [];
  for (const line of lines.trimEnd().split("\n")) {
    const [, , bytes, name] = /^(\w{8}) (\d+) (.+)$/.exec(line)!;
    if (!wanted(name)) continue;
    const problem = await compare(`${directory}/${name}`, Number(bytes), line);
    if (problem !== undefined) problems.push(`${directory}/${name} is damaged: ${problem}`);
  }
  if (problems.length > 0) throw new WeftError(problems.join("; "));
  return true;
}

function lineOf(hash: Xxh32, name: string): string {
  return `${hash.hex()} ${hash.length} ${name}\n`;
}

/** What is wrong with a file, if anything. */
async function compare(path: string, bytes: number, line: string): Promise<string | undefined> {
  try {
    using file = await Deno.open(path);
    const { size } = await file.stat();
    if (size !== bytes) return `it has ${size} bytes instead of ${bytes}`;
    const hash = await hashFile(file, Math.max(1, Math.min(size, pieceBytes))),
      name = path.slice(path.lastIndexOf("/") + 1);
    return lineOf(hash, name) === `${line}\n` ? undefined : "its contents do not have their checksum";
  } catch (error) {
    return error instanceof Deno.errors.NotFound ? "it is missing" : (error as Error).message;
  }
}

/** The next piece is read while one is hashed. */
async function hashFile(file: Deno.FsFile, pieceBytes: number): Promise<Xxh32> {
  const hash = new Xxh32();
  let [piece, next] = [new Uint8Array(pieceBytes), new Uint8Array(pieceBytes)];
  for (let count = await file.read(piece); count !== null;) {
    const reading = file.read(next);
    hash.update(piece.subarray(0, count));
    count = await reading;
    [piece, next] = [next, piece];
  }
  return hash;
}
