import { ByteWriter } from "./byte_writer.ts";

/** A name of a Python module. */
export class PickleGlobal {
  /** The name `name` of the module `module`. */
  constructor(readonly module: string, readonly name: string) {}
}

/** A call of a Python function, whose result is the value. */
export class PickleCall {
  /** `callee(*args)`. */
  constructor(readonly callee: PickleGlobal, readonly args: readonly PickleValue[]) {}
}

/** A value that lies elsewhere and is found by an id. */
export class PicklePersistent {
  /** What the reader is asked for. */
  constructor(readonly id: PickleValue) {}
}

/** What can be pickled: a list becomes a tuple, a map a dict, a whole number an int, another a float. */
export type PickleValue =
  | string
  | number
  | boolean
  | readonly PickleValue[]
  | ReadonlyMap<PickleValue, PickleValue>
  | PickleGlobal
  | PickleCall
  | PicklePersistent;

/** A Python value as pickle's protocol 2 writes it (PEP 307); values that occur twice are written twice. */
export function encodePickle(value: PickleValue): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter().add(Uint8Array.of(0x80, 2)); // PROTO
  write(writer, value);
  return writer.add(".").bytes(); // STOP
}

function write(writer: ByteWriter, value: PickleValue): void {
  if (typeof value === "string") {
    const bytes = new TextEncoder().encode(value);
    writer.add("X").u32(bytes.length).add(bytes); // BINUNICODE
  } else if (typeof value === "boolean") writer.u8(value ? 0x88 : 0x89); // NEWTRUE, NEWFALSE
  else if (typeof value === "number") writeNumber(writer, value);
  else if (value instanceof PickleGlobal) writer.add(`c${value.module}\n${value.name}\n`); // GLOBAL
  else if (value instanceof PickleCall) {
    write(writer, value.callee);
    write(writer, value.args);
    writer.add("R"); // REDUCE
  } else if (value instanceof PicklePersistent) {
    write(writer, value.id);
    writer.add("Q"); // BINPERSID
  } else if (value instanceof Map) {
    writer.add("}("); // EMPTY_DICT, MARK
    for (const item of [...value].flat()) write(writer, item);
    writer.add("u"); // SETITEMS
  } else {
    writer.add("("); // MARK
    for (const item of value as readonly PickleValue[]) write(writer, item);
    writer.add("t"); // TUPLE
  }
}

function writeNumber(writer: ByteWriter, value: number): void {
  if (value === (value | 0)) return void writer.add("J").u32(value); // BININT
  if (Number.isSafeInteger(value)) return void writer.u8(0x8a).u8(8).u64(value); // LONG1
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value); // big-endian, unlike all other numbers
  writer.add("G").add(bytes); // BINFLOAT
}
