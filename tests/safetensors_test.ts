import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  encodeSafetensors,
  type HostTensor,
  parseSafetensors,
  readSafetensorsFile,
  WeftError,
  writeSafetensorsFile,
} from "../mod.ts";

const tensors = new Map<string, HostTensor>([
  ["a", { dtype: "f32", shape: [2, 2], data: new Float32Array([1, -2, 3.5, 0]) }],
  ["scalar", { dtype: "i32", shape: [], data: new Int32Array([-7]) }],
  ["none", { dtype: "u32", shape: [0, 3], data: new Uint32Array(0) }],
]);

/** A file with the given header, padded, and data. */
function file(header: unknown, data: Uint8Array = new Uint8Array(0)): Uint8Array<ArrayBuffer> {
  const json = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.length);
  return bytes;
}

Deno.test("what is written is read again, with names in order and metadata", () => {
  const { tensors: read, metadata } = parseSafetensors(encodeSafetensors(tensors, { format: "pt" }));
  assertEquals(read, tensors);
  assertEquals([...read.keys()], [...tensors.keys()]);
  assertEquals(metadata, { format: "pt" });
});

Deno.test("a file on disk is the same bytes, and the data begin at a multiple of 8", async () => {
  const dir = await Deno.makeTempDir();
  await writeSafetensorsFile(`${dir}/x.safetensors`, tensors, { k: "v" });
  const bytes = await Deno.readFile(`${dir}/x.safetensors`);
  assertEquals(bytes, encodeSafetensors(tensors, { k: "v" }));
  assertEquals(new DataView(bytes.buffer).getBigUint64(0, true) % 8n, 0n);
  assertEquals((await readSafetensorsFile(`${dir}/x.safetensors`)).tensors, tensors);
  await Deno.remove(dir, { recursive: true });
});

Deno.test("half, bfloat, double and long are read as f32 and i32, from any offset", () => {
  const data = new Uint8Array(1 + 2 + 2 + 8 + 8);
  const view = new DataView(data.buffer);
  const offsets = { x: [0, 2], y: [2, 4], z: [4, 12], n: [12, 20] };
  view.setFloat16(0, -1.5, true);
  view.setUint16(2, 0x3fc0, true); // 1.5
  view.setFloat64(4, 0.25, true);
  view.setBigInt64(12, -3n, true);
  const types: Record<string, string> = { x: "F16", y: "BF16", z: "F64", n: "I64" };
  const header = Object.fromEntries(
    Object.entries(offsets).map(([k, data_offsets]) => [k, { dtype: types[k], shape: [1], data_offsets }]),
  );
  const unaligned = new Uint8Array(1 + file(header, data.subarray(0, 20)).length);
  unaligned.set(file(header, data.subarray(0, 20)), 1);
  const { tensors: read } = parseSafetensors(unaligned.subarray(1));
  assertEquals([...read].map(([k, { dtype, data: [v] }]) => [k, dtype, v]), [
    ["x", "f32", -1.5],
    ["y", "f32", 1.5],
    ["z", "f32", 0.25],
    ["n", "i32", -3],
  ]);
});

const entry = (over: Record<string, unknown>) => ({
  w: { dtype: "F32", shape: [2], data_offsets: [0, 8], ...over },
});
const eight = new Uint8Array(8);
const huge = new Uint8Array(16);
new DataView(huge.buffer).setBigUint64(0, 2n ** 60n, true);
const bad: [string, Uint8Array<ArrayBuffer>, string][] = [
  ["is empty", new Uint8Array(0), "it has 0 bytes and the length of its header alone takes 8"],
  [
    "claims a header of 2^60 bytes",
    huge,
    "its header is said to have 1152921504606846976 bytes and the file has 16",
  ],
  [
    "ends inside its header",
    file({}).subarray(0, 9) as Uint8Array<ArrayBuffer>,
    "its header is said to have 2 bytes",
  ],
  ["has a header that is no JSON", file("{nope"), "its header is not JSON"],
  ["has a header that is a list", file("[]"), "its header is not a JSON object"],
  ["has an unknown type", file(entry({ dtype: "F8" }), eight), 'w has dtype "F8"'],
  ["has a type of Object's own", file(entry({ dtype: "toString" }), eight), 'w has dtype "toString"'],
  ["has a negative dimension", file(entry({ shape: [-2] }), eight), "w has shape [-2]"],
  ["has a broken dimension", file(entry({ shape: [0.5] }), eight), "w has shape [0.5]"],
  ["has a shape past all numbers", file(entry({ shape: [2 ** 40, 2 ** 40] }), eight), "lies in 8 bytes"],
  ["has offsets that are no pair", file(entry({ data_offsets: [0] }), eight), "w has data_offsets [0]"],
  ["has offsets in reverse", file(entry({ data_offsets: [8, 0] }), eight), "w lies from 8 to 0"],
  [
    "has offsets past the end",
    file(entry({ shape: [4], data_offsets: [0, 16] }), eight),
    "w lies from 0 to 16 and there are 8 bytes",
  ],
  ["has a shape that does not fit", file(entry({ shape: [3] }), eight), "w is F32 (3) and lies in 8 bytes"],
  ["has an entry that is no object", file({ w: 5 }, eight), "the entry of w is not an object"],
  ["has data that nothing names", file({}, eight), "its tensors end at 0 and its data at 8"],
  [
    "has a hole",
    file(entry({ shape: [1], data_offsets: [4, 8] }), eight),
    "w begins at 4 and the tensor before it ends at 0",
  ],
  [
    "has tensors that overlap",
    file({ ...entry({}), v: { dtype: "F32", shape: [1], data_offsets: [4, 8] } }, eight),
    "v begins at 4 and the tensor before it ends at 8",
  ],
  [
    "has metadata that are no strings",
    file({ __metadata__: { a: 1 } }),
    "__metadata__ is not an object of strings",
  ],
  [
    "holds a long that does not fit",
    file({ n: { dtype: "I64", shape: [1], data_offsets: [0, 8] } }, new Uint8Array(8).fill(0x7f)),
    "which does not fit 32 bits",
  ],
];
for (const [what, bytes, message] of bad) {
  Deno.test(`a file that ${what} is refused`, () => {
    const error = assertThrows(
      () => parseSafetensors(bytes, { name: "m.safetensors" }),
      WeftError,
    ) as WeftError;
    assertEquals(error.message.startsWith("m.safetensors is not a whole safetensors file: "), true);
    assertEquals(error.message.includes(message), true, error.message);
  });
}

Deno.test("a file cut off anywhere is refused", () => {
  const whole = encodeSafetensors(tensors);
  for (let length = 0; length < whole.length; length++) {
    assertThrows(() => parseSafetensors(whole.slice(0, length)), WeftError);
  }
});

Deno.test("a tensor that could not be read back is not written", () => {
  const scalar: HostTensor = { dtype: "f32", shape: [], data: new Float32Array(1) };
  assertThrows(() => encodeSafetensors(new Map([["__metadata__", scalar]])), WeftError, "the format keeps that name");
  assertThrows(
    () => encodeSafetensors(new Map([["w", { ...scalar, shape: [2] }]])),
    WeftError,
    "of shape (2) with 1 elements",
  );
});

Deno.test("a file that is missing is named", async () => {
  await assertRejects(
    () => readSafetensorsFile("/no/such.safetensors"),
    WeftError,
    "/no/such.safetensors cannot be read",
  );
});
