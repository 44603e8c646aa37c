const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });

/** The text of UTF-8, with U+FFFD for what is none, or undefined where that is not wanted. */
export function decodeText(bytes: Uint8Array, invalidUtf8: "skip" | "replace"): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return invalidUtf8 === "replace" ? lenient.decode(bytes) : undefined;
  }
}

/** Bytes without the byte order mark before them. */
export function withoutMark(bytes: Uint8Array): Uint8Array {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes;
}
