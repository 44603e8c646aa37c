import { assertEquals, assertRejects } from "@std/assert";
import { encodeSafetensors, type HostTensor, WeftError } from "../mod.ts";
import { WeightFiles } from "../model/weight_files.ts";

const f32 = (...values: number[]): HostTensor => ({
  dtype: "f32",
  shape: [values.length],
  data: new Float32Array(values),
});

/** Runs `body` in a folder with these files; what is no bytes is written as JSON. */
async function inFolder(files: Record<string, unknown>, body: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    for (const [name, value] of Object.entries(files)) {
      const bytes = value instanceof Uint8Array ? value : new TextEncoder().encode(JSON.stringify(value));
      await Deno.writeFile(`${dir}/${name}`, bytes);
    }
    await body(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const file = (tensors: Record<string, HostTensor>, metadata = {}) =>
  encodeSafetensors(new Map(Object.entries(tensors)), metadata);
const one = "model-00001-of-00002.safetensors", two = "model-00002-of-00002.safetensors";
const index = "model.safetensors.index.json";
const parts = { [one]: file({ a: f32(1, 2), b: f32(3) }, { format: "pt" }), [two]: file({ c: f32(4, 5, 6) }) };
const weight_map = { a: one, b: one, c: two };

async function contents(files: WeightFiles): Promise<Record<string, number[]>> {
  const read: Record<string, number[]> = {};
  for (const name of files.tensors.keys()) {
    read[name] = [];
    for await (const piece of files.pieces(name)) read[name].push(...piece);
  }
  return read;
}

Deno.test("tensors come from one file, or from those of an index, and the one file goes first", async () => {
  await inFolder({ ...parts, [index]: { metadata: { total_size: 24 }, weight_map } }, async (dir) => {
    {
      using files = await WeightFiles.open(dir);
      assertEquals(files.path, `${dir}/${index}`);
      assertEquals(files.metadata, { format: "pt" });
      assertEquals(await contents(files), { a: [1, 2], b: [3], c: [4, 5, 6] });
    }
    await Deno.writeFile(`${dir}/model.safetensors`, file({ d: f32(7) }));
    using files = await WeightFiles.open(dir);
    assertEquals(await contents(files), { d: [7] });
  });
});

Deno.test("a tensor longer than a piece comes whole, also beside another one", async () => {
  const long = Float32Array.from({ length: (1 << 21) + 5 }, (_, i) => i);
  await inFolder(
    { "w.safetensors": file({ s: f32(1), long: { dtype: "f32", shape: [long.length], data: long } }) },
    async (dir) => {
      using files = await WeightFiles.open(dir, "w");
      const again = files.pieces("long");
      let at = 0, pieces = 0;
      for await (const piece of files.pieces("long")) {
        assertEquals(piece, long.subarray(at, at + piece.length));
        assertEquals((await again.next()).value, piece);
        at += piece.length;
        pieces++;
      }
      assertEquals([at, pieces], [long.length, 2]);
    },
  );
});

const bad: [string, Record<string, unknown>, string][] = [
  ["is not there", {}, "model.safetensors cannot be read"],
  [
    "has an index that is no JSON",
    { [index]: new Uint8Array([123]) },
    "index.json is no index of safetensors files: it is not JSON",
  ],
  ["has an index that is a list", { [index]: [] }, "it has no weight_map"],
  ["has an index of nothing", { [index]: { weight_map: {} } }, "it has no weight_map"],
  [
    "has an index without names",
    { [index]: { weight_map: { a: 5 } } },
    "a is said to be in 5, which is no name of a file beside it",
  ],
  ...[
    "../model.safetensors",
    "/etc/passwd",
    "a/b.safetensors",
    "..",
    ".safetensors",
    "model.bin",
    "x\u0000.safetensors",
  ].map(
    (name): [string, Record<string, unknown>, string] => [
      `has an index that names ${JSON.stringify(name)}`,
      { [index]: { weight_map: { a: name } } },
      `a is said to be in ${JSON.stringify(name)}, which is no name of a file beside it`,
    ],
  ),
  ["lacks a file", { [one]: parts[one], [index]: { weight_map } }, `${two} cannot be read`],
  [
    "has a file that is cut",
    { ...parts, [two]: parts[two].slice(0, -1), [index]: { weight_map } },
    `${two} is not a whole safetensors file`,
  ],
  [
    "has a tensor twice",
    { ...parts, [two]: file({ c: f32(4), a: f32(1, 2) }), [index]: { weight_map } },
    `${index} does not fit its files: a is both in ${one} and in ${two}`,
  ],
  [
    "has tensors elsewhere, beside the index, and nowhere",
    { ...parts, [one]: file({ a: f32(1), x: f32(2) }), [index]: { weight_map: { a: two, b: one, c: two } } },
    `does not fit its files: a is in ${one}, and the index says ${two}; x is in ${one}, and the index does not name it; ` +
    `b is not in ${one}`,
  ],
];
for (const [what, files, message] of bad) {
  Deno.test(`a model that ${what} is refused`, async () => {
    await inFolder(files, async (dir) => {
      const error = await assertRejects(() => WeightFiles.open(dir), WeftError) as WeftError;
      assertEquals(error.message.includes(message), true, error.message);
    });
  });
}
