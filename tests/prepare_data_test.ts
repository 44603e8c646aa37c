import { assertEquals, assertRejects } from "@std/assert";
import { BpeTokenizer, CharTokenizer, type Document, openPreparedData, prepareData, WeftError } from "../mod.ts";

async function* documents(texts: readonly string[]): AsyncGenerator<Document> {
  for (const [i, text] of texts.entries()) yield { text, source: `test:${i + 1}` };
}

const bytes = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte));
const bpe = BpeTokenizer.fromRanks(bytes, { pattern: "gpt2", specialTokens: { "<|endoftext|>": 256 } });
const texts = Array.from({ length: 300 }, (_, i) => `document ${i % 200} of <|endoftext|> many`); // 100 occur twice

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(`${folder}/data`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function contents(folder: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for await (const { name } of Deno.readDir(folder)) files[name] = (await Deno.readFile(`${folder}/${name}`)).toHex();
  return files;
}

Deno.test("every document is in one part, whole, with its end, and no text is in both", () =>
  inFolder(async (folder) => {
    const meta = await prepareData(folder, documents(texts), { tokenizer: bpe, valFraction: 0.2, shardTokens: 1000 });
    using data = await openPreparedData(folder);
    assertEquals(data.meta, meta);
    const read = (part: "train" | "validation") => {
      const ids = new Int32Array(data[part].length);
      data[part].copyTo(ids, 0);
      const found: string[] = [];
      for (let from = 0; from < ids.length;) {
        const end = ids.indexOf(256, from); // the text's own <|endoftext|> is spelled in bytes
        found.push(data.tokenizer.decode(ids.subarray(from, end)));
        from = end + 1;
      }
      return found;
    };
    const [train, val] = [read("train"), read("validation")];
    assertEquals([...train, ...val].sort(), [...texts].sort());
    assertEquals(train.filter((text) => val.includes(text)), []);
    assertEquals([meta.parts.train.documents, meta.parts.val.documents], [train.length, val.length]);
    assertEquals(val.length > 30 && val.length < 90, true, `${val.length} of 300 at 0.2`);
    assertEquals(meta.parts.train.shards.length > 1, true);
  }));

Deno.test("the same documents give the same bytes, another seed another choice", () =>
  inFolder(async (folder) => {
    const make = async (seed: number) => {
      await prepareData(folder, documents(texts), { tokenizer: bpe, valFraction: 0.2, seed });
      return await contents(folder);
    };
    const first = await make(1);
    assertEquals(await make(1), first);
    assertEquals((await make(2))["val_000000.bin"] === first["val_000000.bin"], false);
  }));

Deno.test("a tokenizer without an end of text parts documents by what is given", () =>
  inFolder(async (folder) => {
    const tokenizer = CharTokenizer.fromText("abcdefgh\n");
    const few = [..."abcdefgh"];
    await prepareData(folder, documents(few), { tokenizer, valFraction: 0.4, documentEnd: "\n" });
    using data = await openPreparedData(folder);
    const ids = new Int32Array(data.train.length);
    data.train.copyTo(ids, 0);
    assertEquals(/^([a-h]\n)+$/.test(data.tokenizer.decode(ids)), true);
  }));

Deno.test("an empty part, an unknown character and a damaged folder are one clear error, and nothing is left", () =>
  inFolder(async (folder) => {
    const prepare = (texts: string[], tokenizer = bpe as BpeTokenizer | CharTokenizer) =>
      prepareData(folder, documents(texts), { tokenizer, valFraction: 0.1 });
    await assertRejects(() => prepare(["one"]), WeftError, "Of 1 documents none is for val: take more of them");
    await assertRejects(() => prepare(["x"], CharTokenizer.fromText("ab")), WeftError, "test:1: Unknown character");
    await assertRejects(() => openPreparedData(folder), WeftError, "does not exist: make it with");
    await prepare(texts);
    await Deno.truncate(`${folder}/val_000000.bin`, 10);
    await assertRejects(() => openPreparedData(folder), WeftError, "is damaged: val has 5 tokens");
    await Deno.writeTextFile(`${folder}/meta.json`, "{}");
    await assertRejects(() => openPreparedData(folder), WeftError, "is damaged: it needs type");
    await Deno.remove(`${folder}/meta.json`);
    await assertRejects(() => openPreparedData(folder), WeftError, "has no meta.json");
  }));
