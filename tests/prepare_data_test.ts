import { assertEquals, assertRejects } from "@std/assert";
import {
  BpeTokenizer,
  CharTokenizer,
  type Document,
  openPreparedData,
  parsePipeline,
  prepareData,
  type PrepareOptions,
  WeftError,
} from "../mod.ts";
import { generateCorpus } from "./_generated_corpus.ts";
import { inFolder } from "./_program.ts";

async function* documents(texts: readonly string[]): AsyncGenerator<Document> {
  for (const [i, text] of texts.entries()) yield { text, source: `test:${i + 1}` };
}

const bytes = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte));
const bpe = BpeTokenizer.fromRanks(bytes, { pattern: "gpt2", specialTokens: { "<|endoftext|>": 256 } });
const texts = Array.from({ length: 300 }, (_, i) => `document ${i % 200} of <|endoftext|> many`); // 100 occur twice

async function contents(folder: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for await (const { name } of Deno.readDir(folder)) files[name] = (await Deno.readFile(`${folder}/${name}`)).toHex();
  return files;
}

Deno.test("every document is in one part, whole, with its end, and no text is in both", () =>
  inFolder(async (dir) => {
    const folder = `${dir}/data`;
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
  inFolder(async (dir) => {
    const folder = `${dir}/data`;
    const make = async (seed: number) => {
      await prepareData(folder, documents(texts), { tokenizer: bpe, valFraction: 0.2, seed });
      return await contents(folder);
    };
    const first = await make(1);
    assertEquals(await make(1), first);
    assertEquals((await make(2))["val_000000.bin"] === first["val_000000.bin"], false);
  }));

Deno.test("a tokenizer without an end of text parts documents by what is given", () =>
  inFolder(async (dir) => {
    const folder = `${dir}/data`;
    const tokenizer = CharTokenizer.fromText("abcdefgh\n");
    const few = [..."abcdefgh"];
    await prepareData(folder, documents(few), { tokenizer, valFraction: 0.4, documentEnd: "\n" });
    using data = await openPreparedData(folder);
    const ids = new Int32Array(data.train.length);
    data.train.copyTo(ids, 0);
    assertEquals(/^([a-h]\n)+$/.test(data.tokenizer.decode(ids)), true);
  }));

Deno.test("an empty part, an unknown character and a damaged folder are one clear error, and nothing is left", () =>
  inFolder(async (dir) => {
    const folder = `${dir}/data`;
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

const corpus = [...generateCorpus({ seed: 3, documents: 400, words: 1500, exact: 0.1, near: 0.1, private: 0.2 })];
const cleaning = parsePipeline(["unicode", "redact", "exact_duplicates", "near_duplicates"]);

/** Documents with their places, of which the one that is read at that number is not to be had. */
function stopping(at: number, reads: number[] = []) {
  return async function* (from?: unknown): AsyncGenerator<Document> {
    for (let i = from as number ?? 0; i < corpus.length; i++) {
      if (i === at) throw new Error("stopped");
      reads.push(i);
      await Promise.resolve();
      yield { ...corpus[i], mark: () => i + 1 };
    }
  };
}

for (
  const [name, options] of Object.entries<Partial<PrepareOptions>>({
    "read, encoded": { tokenizer: bpe },
    "cleaned": { tokenizer: bpe, pipeline: cleaning },
    "cleaned without near duplicates": { tokenizer: bpe, pipeline: cleaning.slice(0, 3), format: "llm.c" },
    "read for their characters": { tokenizer: "characters" },
  })
) {
  Deno.test(`documents that are ${name}: work that stops anywhere goes on, and writes the same`, () =>
    inFolder(async (dir) => {
      const prepare = (folder: string, at: number, reads?: number[], workers = 2) =>
        prepareData(`${dir}/${folder}`, stopping(at, reads), {
          tokenizer: bpe,
          shardTokens: 300_000,
          valFraction: 0.1,
          identity: "corpus",
          saveInterval: 0,
          workers,
          ...options,
          files: (statistics) => ({ "statistics.json": JSON.stringify(statistics) }),
        });
      await prepare("whole", Infinity, undefined, 0);
      const expected = await contents(`${dir}/whole`);
      for (const stops of [[0], [150], [60, 61, 399]]) {
        const reads: number[] = [];
        for (const at of stops) {
          await assertRejects(() => prepare("stopped", at, reads), Error, "stopped");
        }
        await prepare("stopped", Infinity, reads);
        assertEquals(await contents(`${dir}/stopped`), expected);
        assertEquals(new Set(reads).size, corpus.length);
        const again = reads.length - corpus.length; // at most two batches for each worker, of about 25 documents
        assertEquals(again <= stops.length * 150 && (stops[0] < 100 || again < stops[0]), true, `${again} read again`);
        await Deno.remove(`${dir}/stopped`, { recursive: true });
        assertEquals([...Deno.readDirSync(dir)].map(({ name }) => name), ["whole"]);
      }
    }));
}

Deno.test("work that stops after any batch, of cleaning or of encoding, goes on and does nothing twice", () =>
  inFolder(async (dir) => {
    const prepare = (folder: string, stop: number) => {
      const phases: string[] = [], reads: number[] = [];
      const work = prepareData(`${dir}/${folder}`, stopping(Infinity, reads), {
        tokenizer: bpe,
        pipeline: cleaning,
        identity: "corpus",
        saveInterval: 0,
        workers: 1,
        files: (statistics) => ({ "statistics.json": JSON.stringify(statistics) }),
        onProgress: ({ phase }) => {
          if (phases.push(phase) === stop) throw new Error("stopped");
        },
      });
      return { work, phases, reads };
    };
    const whole = prepare("whole", Infinity);
    await whole.work;
    const expected = await contents(`${dir}/whole`), cleanings = whole.phases.indexOf("encoding");
    assertEquals([cleanings > 8, whole.phases.length > cleanings + 8], [true, true]);
    for (const stop of [1, cleanings - 1, cleanings, cleanings + 1, cleanings + 5, whole.phases.length]) {
      await assertRejects(() => prepare("stopped", stop).work, Error, "stopped");
      const { work, phases, reads } = prepare("stopped", Infinity);
      await work;
      assertEquals(await contents(`${dir}/stopped`), expected, `after batch ${stop}`);
      assertEquals(phases[0], "going on");
      if (stop > cleanings + 1) assertEquals([reads.length, new Set(phases).has("cleaning")], [0, false]);
      await Deno.remove(`${dir}/stopped`, { recursive: true });
    }
  }));
