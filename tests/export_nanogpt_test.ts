import { assertEquals, assertRejects } from "@std/assert";
import JSZip from "jszip";
import { NameRegistry, Parser } from "pickleparser";
import { exportCommand } from "../cli/export.ts";
import { encodePickle, type PickleValue } from "../model/pickle.ts";
import { encodeZip } from "../model/zip.ts";
import { CharTokenizer, type Gpt, readTensors, type Tokenizer } from "../mod.ts";
import { gpuTest } from "./_check_op.ts";
import { smallBpe, smallGpt, withRun } from "./_small_gpt.ts";

interface TorchTensor {
  readonly storage: { readonly type: string; readonly key: string; readonly size: number };
  readonly shape: readonly number[];
  readonly stride: readonly number[];
  readonly data: readonly number[];
}

/** What torch.load would make of a checkpoint: the zip as JSZip reads it, the pickle as pickleparser does. */
async function torchLoad(path: string): Promise<Map<string, unknown>> {
  const zip = await JSZip.loadAsync(await Deno.readFile(path), { checkCRC32: true });
  const read = async (name: string) => await zip.file(`ckpt/${name}`)!.async("uint8array");
  assertEquals(new TextDecoder().decode(await read("version")), "3\n");
  assertEquals(new TextDecoder().decode(await read("byteorder")), "little");
  const storages = new Map<string, Uint8Array>();
  for (const name of Object.keys(zip.files)) {
    const key = /^ckpt\/data\/(\d+)$/.exec(name)?.[1];
    if (key !== undefined) storages.set(key, await read(`data/${key}`));
  }
  const names = new NameRegistry();
  const types = { FloatStorage: Float32Array, HalfStorage: Float16Array, BFloat16Storage: Uint16Array };
  for (const type of Object.keys(types)) names.register("torch", type, Object.assign(() => {}, { type }));
  names.register("collections", "OrderedDict", () => new Map());
  names.register("torch._utils", "_rebuild_tensor_v2", (...args) => {
    const [storage, offset, shape, stride, needsGradient, hooks] = args;
    assertEquals([offset, needsGradient, [...hooks]], [0, false, []]);
    const bytes = storages.get(storage.key)!.slice().buffer;
    const data = [...new types[storage.type as keyof typeof types](bytes)];
    assertEquals(data.length, storage.size);
    return { storage, shape, stride, data };
  });
  const persistentResolver = {
    resolve: (id: unknown) => {
      const [kind, { type }, key, device, size] = id as [string, { type: string }, string, string, number];
      assertEquals([kind, device], ["storage", "cpu"]);
      return { type, key, size };
    },
  };
  const options = { nameResolver: names, persistentResolver, unpicklingTypeOfDictionary: "Map" as const };
  return new Parser(options).parse(await read("data.pkl"));
}

async function exported(model: Gpt, tokenizer: Tokenizer, body: (folder: string) => Promise<void>, ...flags: string[]) {
  await withRun(model, tokenizer, async (folder) => {
    const args = [`--out_dir=${folder}/out`, "--to=nanogpt", `--output=${folder}/nano`, ...flags];
    await exportCommand(args, () => {});
    await body(`${folder}/nano`);
  });
}

gpuTest("a checkpoint of nanoGPT: its settings, and every weight as nn.Linear has it", async (gpu) => {
  const model = smallGpt(gpu, { dropout: 0.25 }), parameters = [...model.parameters()];
  const values = await readTensors(parameters.map(([, parameter]) => parameter));
  await exported(model, smallBpe(), async (folder) => {
    assertEquals(await Array.fromAsync(Deno.readDir(folder), ({ name }) => name), ["ckpt.pt"]);
    const checkpoint = await torchLoad(`${folder}/ckpt.pt`);
    assertEquals([...checkpoint.keys()], ["model", "model_args", "iter_num", "best_val_loss", "config"]);
    assertEquals(Object.fromEntries(checkpoint.get("model_args") as Map<string, unknown>), {
      n_layer: 2,
      n_head: 2,
      n_embd: 16,
      block_size: 8,
      bias: true,
      vocab_size: 265,
      dropout: 0.25,
    });
    assertEquals([checkpoint.get("iter_num"), checkpoint.get("best_val_loss")], [12, 1.5]);
    assertEquals(checkpoint.get("config"), new Map());

    const state = checkpoint.get("model") as Map<string, TorchTensor>;
    assertEquals(state.size, parameters.length + 1);
    assertEquals(state.get("lm_head.weight"), state.get("transformer.wte.weight"));
    for (const [i, [name]] of parameters.entries()) {
      const { shape, data } = values[i], theirs = state.get(`transformer.${name}`)!, [rows, columns] = shape;
      assertEquals(theirs.storage.type, "FloatStorage");
      if (/\.c_\w+\.weight$/.test(name)) {
        assertEquals([theirs.shape, theirs.stride], [[columns, rows], [rows, 1]], name);
        assertEquals(theirs.data, Array.from(data, (_, k) => data[k % rows * columns + Math.floor(k / rows)]), name);
      } else {
        assertEquals([theirs.shape, theirs.stride], [[...shape], shape.length === 1 ? [1] : [columns, 1]], name);
        assertEquals(theirs.data, [...data], name);
      }
    }
  });
});

gpuTest(
  "characters come with meta.pkl, f16 and bf16 as torch has them, no biases where there are none",
  async (gpu) => {
    const tokenizer = CharTokenizer.fromText("\né🙂ab"), model = smallGpt(gpu, { vocab_size: 5, bias: false });
    const wte = await model.parameters().get("wte.weight")!.read();
    for (
      const [dtype, type, nearest] of [["f16", "HalfStorage", Math.f16round], [
        "bf16",
        "BFloat16Storage",
        upper,
      ]] as const
    ) {
      await exported(model, tokenizer, async (folder) => {
        const meta: Map<string, unknown> = new Parser({ unpicklingTypeOfDictionary: "Map" }).parse(
          await Deno.readFile(`${folder}/meta.pkl`),
        );
        assertEquals(meta.get("vocab_size"), 5);
        assertEquals(meta.get("itos"), new Map([[0, "\n"], [1, "a"], [2, "b"], [3, "é"], [4, "🙂"]]));
        assertEquals(meta.get("stoi"), new Map([["\n", 0], ["a", 1], ["b", 2], ["é", 3], ["🙂", 4]]));
        const checkpoint = await torchLoad(`${folder}/ckpt.pt`),
          state = checkpoint.get("model") as Map<string, TorchTensor>;
        assertEquals(checkpoint.get("config"), new Map([["dataset", "nano"]])); // where sample.py looks for meta.pkl
        assertEquals(state.keys().some((name) => name.endsWith(".bias")), false);
        const { storage, data } = state.get("transformer.wte.weight")!;
        assertEquals([storage.type, data], [type, Array.from(wte, nearest)]);
      }, `--dtype=${dtype}`);
    }
  },
);

/** The bits of the nearest bfloat16. */
function upper(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0], low = bits & 0xffff, high = bits >>> 16;
  return high + Number(low > 0x8000 || low === 0x8000 && high % 2 === 1);
}

Deno.test("pickles hold numbers of every size, texts, tuples and dicts", () => {
  const numbers = [0, -1, 255, 65_536, 2 ** 31 - 1, -(2 ** 31), 2 ** 31, 2 ** 53 - 1, 0.1, -1e300, 1e9];
  const value: PickleValue = new Map<PickleValue, PickleValue>([["numbers", numbers], ["é🙂", [
    true,
    false,
    [],
    new Map(),
  ]]]);
  const read: Map<string, unknown> = new Parser({ unpicklingTypeOfDictionary: "Map" }).parse(encodePickle(value));
  assertEquals(read.get("numbers"), numbers);
  assertEquals(read.get("é🙂"), [true, false, [], new Map()]);
});

Deno.test("files of an archive begin at multiples of 64, and one of 4 GiB is refused", async () => {
  const entry = (name: string, bytes: Uint8Array<ArrayBuffer>) => ({ name, read: () => Promise.resolve(bytes) });
  const contents = [1, 0, 63, 64, 65].map((length, i) => entry(`file ${i}`, new Uint8Array(length).fill(i + 200)));
  const zip = new Blob(await Array.fromAsync(encodeZip(contents)));
  const bytes = new Uint8Array(await zip.arrayBuffer()), read = await JSZip.loadAsync(bytes, { checkCRC32: true });
  for (const { name, read: expected } of contents) {
    assertEquals(await read.file(name)!.async("uint8array"), await expected());
  }
  for (const i of [0, 2, 3, 4]) assertEquals(bytes.indexOf(i + 200) % 64, 0);
  const large = { name: "large", read: () => Promise.resolve({ length: 2 ** 32 } as Uint8Array<ArrayBuffer>) };
  await assertRejects(() => Array.fromAsync(encodeZip([large])), Error, "large has 4294967296 bytes");
});
