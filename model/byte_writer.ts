/** Bytes that are appended one after the other; numbers are little-endian. */
export class ByteWriter {
  #bytes = new Uint8Array(256);
  #length = 0;

  /** How many bytes there are. */
  get length(): number {
    return this.#length;
  }

  /** Appends a number of 8 bits. */
  u8(value: number): this {
    this.#reserve(1).setUint8(0, value);
    return this;
  }

  /** Appends a number of 16 bits. */
  u16(value: number): this {
    this.#reserve(2).setUint16(0, value, true);
    return this;
  }

  /** Appends a number of 32 bits; a negative one as its two's complement. */
  u32(value: number): this {
    this.#reserve(4).setUint32(0, value, true);
    return this;
  }

  /** Appends a number of 64 bits. */
  u64(value: number): this {
    this.#reserve(8).setBigUint64(0, BigInt(value), true);
    return this;
  }

  /** Appends a float of 32 bits. */
  f32(value: number): this {
    this.#reserve(4).setFloat32(0, value, true);
    return this;
  }

  /** Appends a text as UTF-8, or bytes. */
  add(value: string | Uint8Array): this {
    const bytes = typeof value === "string" ? new TextEncoder().encode(value) : value;
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length - bytes.length);
    return this;
  }

  /** Appends zeros until the length is a multiple of `alignment`. */
  align(alignment: number): this {
    this.#reserve(-this.#length & (alignment - 1));
    return this;
  }

  /** The bytes. */
  bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  /** Makes room for some bytes and gives a view that begins with them. */
  #reserve(count: number): DataView {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(2 * this.#length);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    return new DataView(this.#bytes.buffer, at);
  }
}
