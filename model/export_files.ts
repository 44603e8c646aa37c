/** The bytes of a file, piece by piece. */
export type FileContents = AsyncIterable<Uint8Array<ArrayBuffer>> | Iterable<Uint8Array<ArrayBuffer>>;

/** Files by name. Each is made while it is written, so that no more than about one tensor of a model is in memory. */
export type ExportFiles = Readonly<Record<string, () => FileContents>>;

/** A file with a value as JSON. */
export function jsonFile(value: unknown): () => FileContents {
  return () => [new TextEncoder().encode(JSON.stringify(value, null, 2) + "\n")];
}
