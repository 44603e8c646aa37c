/** Bytes of a known number that are fetched when they are written. */
export interface LateBytes {
  /** How many bytes `read` will give. */
  readonly byteLength: number;
  /** The bytes. */
  read(): Promise<Uint8Array<ArrayBuffer>>;
}

/** What a field of a message may hold: a whole number, text, bytes, or a message. */
export type ProtobufValue = number | bigint | string | Uint8Array<ArrayBuffer> | LateBytes | ProtobufMessage;

/**
 * A message of Protocol Buffers that is being written, field by field. Large bytes stay where they are until `contents`
 * comes to them, for their length alone is needed before.
 *
 * @example
 * ```ts
 * import { ProtobufMessage } from "./protobuf.ts";
 * const message = new ProtobufMessage().add(1, 150).add(2, "testing");
 * for await (const bytes of message.contents()) console.log(bytes.toHex()); // 0896011207, then 74657374696e67 …
 * ```
 */
export class ProtobufMessage {
  /** How many bytes it has. */
  byteLength = 0;
  #parts: (Uint8Array<ArrayBuffer> | LateBytes)[] = [];

  /** Appends a field. */
  add(field: number, value: ProtobufValue): this {
    if (typeof value === "number" || typeof value === "bigint") {
      return this.#push(varint(field << 3)).#push(varint(value));
    }
    const content = typeof value === "string" ? new TextEncoder().encode(value) : value;
    this.#push(varint(field << 3 | 2)).#push(varint(content.byteLength));
    if (!(content instanceof ProtobufMessage)) return this.#push(content);
    this.#parts.push(...content.#parts);
    this.byteLength += content.byteLength;
    return this;
  }

  /** Appends a field with a 32-bit float, which is not told apart from a whole number by its type. */
  addFloat(field: number, value: number): this {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setFloat32(0, value, true);
    return this.#push(varint(field << 3 | 5)).#push(bytes);
  }

  /** Its bytes. */
  async *contents(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    for (const part of this.#parts) yield part instanceof Uint8Array ? part : await part.read();
  }

  #push(part: Uint8Array<ArrayBuffer> | LateBytes): this {
    this.#parts.push(part);
    this.byteLength += part.byteLength;
    return this;
  }
}

/** Seven bits to a byte, the lowest first; negative numbers as the 64 bits of their two's complement. */
function varint(value: number | bigint): Uint8Array<ArrayBuffer> {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}
