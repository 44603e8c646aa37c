/**
 * GPT-2's alphabet of bytes: each of the 256 bytes is written as one printable character, so that tokens are strings
 * and stay apart from spaces in files. Printable bytes stand for themselves, the others are U+0100 and on in their order.
 */
export const byteCharacters: readonly string[] = (() => {
  const characters: string[] = [];
  for (let byte = 0, next = 256; byte < 256; byte++) {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    characters.push(String.fromCharCode(printable ? byte : next++));
  }
  return characters;
})();

/** The bytes in the order in which GPT-2 numbers them: by the character that writes them. */
export const bytesInOrder: readonly number[] = byteCharacters.map((_, byte) => byte).sort((a, b) =>
  byteCharacters[a] < byteCharacters[b] ? -1 : 1
);

const byteOfCode = new Int16Array(0x144).fill(-1);
for (const [byte, character] of byteCharacters.entries()) byteOfCode[character.charCodeAt(0)] = byte;

/**
 * Writes bytes as a string of the alphabet.
 *
 * @example
 * ```ts
 * import { bytesToToken } from "./byte_alphabet.ts";
 * console.log(bytesToToken(new TextEncoder().encode(" the\n"))); // ĠtheĊ
 * ```
 */
export function bytesToToken(bytes: Uint8Array): string {
  let token = "";
  for (const byte of bytes) token += byteCharacters[byte];
  return token;
}

/** The bytes that a string of the alphabet stands for, or undefined where it has other characters. */
export function tokenToBytes(token: string): Uint8Array<ArrayBuffer> | undefined {
  const bytes = new Uint8Array(token.length);
  for (let i = 0; i < token.length; i++) {
    const code = token.charCodeAt(i), byte = code < byteOfCode.length ? byteOfCode[code] : -1;
    if (byte < 0) return undefined;
    bytes[i] = byte;
  }
  return bytes;
}
