import { assertEquals, assertMatch } from "@std/assert";
import { BpeTokenizer, CharTokenizer, type Document, prepareData, readSafetensorsFile } from "../mod.ts";
import { runTask } from "./_program.ts";

async function run(task: string, args: readonly string[], cwd: string): Promise<string> {
  const { code, stdout, stderr } = await runTask(task, args, cwd);
  assertEquals([code, stderr.replace(/^(error: XDG_RUNTIME_DIR|Warning).*\n/gm, "")], [0, ""], stdout);
  return stdout;
}

async function fails(args: readonly string[], cwd: string): Promise<string> {
  const { code, stderr } = await runTask("data", args, cwd);
  assertEquals(code, 1);
  return stderr;
}

Deno.test("from documents to a tokenizer, to shards, to a model that writes text", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const lines = Array.from(
      { length: 400 },
      (_, i) => `{"text": "Line ${i} is about the weather of day ${i * 7}.\\n"}`,
    );
    await Deno.writeTextFile(`${folder}/texts.jsonl`, lines.join("\n"));
    await run("tokenizer", ["train", "texts.jsonl", "--vocab_size=300"], folder);
    const prepare = ["prepare", "texts.jsonl", "--out_dir=data", "--tokenizer=tokenizer.json", "--val_fraction=0.2"];
    assertMatch(await run("data", prepare, folder), /^400 documents from 1 files/);
    const meta = JSON.parse(await Deno.readTextFile(`${folder}/data/meta.json`));
    assertEquals([meta.vocab_size, meta.parts.train.documents + meta.parts.val.documents], [300, 400]);
    assertEquals(meta.inputs[0].path, "texts.jsonl");
    const inspected = await run("data", ["inspect", "data", "--documents=400", "--part=val"], folder);
    const { documents } = meta.parts.val;
    assertMatch(inspected, new RegExp(`^val: ${documents} documents, ${meta.parts.val.tokens} tokens`, "m"));
    const counts = [...inspected.matchAll(/^ *\d+(?: to \d+)? +(\d+) {2}█*$/gm)].map(([, count]) => Number(count));
    assertEquals(counts.reduce((sum, count) => sum + count, 0), documents);
    const shown = [...inspected.matchAll(/^Line \d+ is about the weather of day \d+\.$/gm)];
    assertEquals(shown.length, documents);
    const one = await run("data", ["inspect", "data", "--documents=1", "--part=val"], folder);
    assertEquals([...one.matchAll(/^Line /gm)].length, 1);
    const small = ["--n_layer=1", "--n_head=1", "--n_embd=16", "--block_size=16", "--batch_size=2", "--tune=off"];
    const quick = ["--max_iters=4", "--eval_iters=1", "--eval_interval=2", "--sample_tokens=3", "--log_interval=1"];
    const begun = await run(
      "train",
      [
        "--dataset=data",
        "--batch_order=permutation",
        ...small,
        ...quick,
        "--max_iters=2",
      ].filter((flag) => flag !== "--max_iters=4"),
      folder,
    );
    assertMatch(begun, /data: data, 300 kinds of tokens; \d+ tokens of \d+ documents to learn from/);
    const resumed = await run("train", ["--init_from=resume", "--max_iters=4"], folder);
    const whole = await run(
      "train",
      ["--dataset=data", "--batch_order=permutation", ...small, ...quick, "--out_dir=b"],
      folder,
    );
    const evaluated = (output: string) => /step 4: (.*?)( \(best\))?$/m.exec(output)![1];
    assertEquals(evaluated(resumed), evaluated(whole)); // its place in the data goes with the step
    assertMatch(await run("generate", ["--start=Line", "--max_new_tokens=5", "--num_samples=1"], folder), /^Line/);
    const text = ["--dataset=texts.jsonl", "--tokenizer=tokenizer.json", "--out_dir=c", ...small, ...quick];
    assertMatch(await run("train", text, folder), /characters, 300 kinds of tokens;/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("data prepare cleans by a file, reports, and leaves nothing beside its folder", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const texts = Array.from({ length: 100 }, (_, i) => `Ask <b>no one</b> about ${i % 80} things\\nand 1 & 1`);
    await Deno.writeTextFile(`${folder}/a.jsonl`, texts.map((text) => `{"text": "${text}"}`).join("\n"));
    await Deno.writeTextFile(`${folder}/clean.yaml`, "pipeline:\n  - html\n  - exact_duplicates\n");
    const args = ["prepare", "a.jsonl", "--out_dir=d", "--pipeline=clean.yaml", "--val_fraction=0.3"];
    assertMatch(await run("data", args, folder), /^exact_duplicates: 80 of 100 documents stay, 0 changed$/m);
    const meta = JSON.parse(await Deno.readTextFile(`${folder}/d/meta.json`));
    assertEquals(meta.pipeline.map(({ stage }: { stage: string }) => stage), ["html", "exact_duplicates"]);
    assertEquals(meta.parts.train.documents + meta.parts.val.documents, 80);
    assertMatch(await Deno.readTextFile(`${folder}/d/cleaning_report.html`), /80 of 100 documents stay/);
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), ["a.jsonl", "clean.yaml", "d"]);
    await Deno.writeTextFile(`${folder}/clean.yaml`, "pipeline:\n  - htlm\n");
    args[2] = "--out_dir=e";
    assertMatch(await fails(args, folder), /^error: clean\.yaml: Stage 1: htlm is not known; did you mean html\?/m);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("data prepare refuses what it cannot do in one line, and writes over nothing", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/a.txt`, "one\n\ntwo\n\nthree\n");
    assertMatch(await fails(["prepare", "a.txt"], folder), /^error: --out_dir is missing/m);
    assertMatch(await fails(["prepare", "a.txt", "--out_dir=d"], folder), /^error: Of 1 documents none is for val/m);
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["a.txt"]);
    await Deno.mkdir(`${folder}/d`);
    assertMatch(await fails(["prepare", "a.txt", "--out_dir=d"], folder), /^error: d exists: write to another folder/m);
    assertMatch(await fails(["prepare", "-", "--out_dir=e"], folder), /^error: There is no document to read/m);
    await Deno.mkdir(`${folder}/f.work`);
    await Deno.writeTextFile(`${folder}/f.work/mine`, "");
    assertMatch(await fails(["prepare", "a.txt", "--out_dir=f"], folder), /^error: f\.work is needed to work in, and/m);
    assertMatch(await fails(["prepar"], folder), /^error: data prepar is not known; did you mean prepare\?/m);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("data prepare takes standard input, and says what it was", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const text = Array.from({ length: 60 }, (_, i) => `{"text": "thing ${i}"}\n`).join("");
    const args = ["prepare", "-", "--out_dir=d", "--val_fraction=0.2"];
    assertMatch((await runTask("data", args, folder, {}, text)).stdout, /^60 documents from 1 files, /);
    const { inputs, parts } = JSON.parse(await Deno.readTextFile(`${folder}/d/meta.json`));
    const sha256 = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))).toHex();
    assertEquals(inputs, [{ path: "standard input", bytes: text.length, sha256 }]);
    assertEquals(parts.train.documents + parts.val.documents, 60);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("lists of a pipeline can be files, of lines or of documents", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const words = Array.from({ length: 40 }, (_, i) => `word${i}`), evaluation = words.slice(5, 20).join(" ");
    const texts = [words.join(" "), "a Bad Thing is here", "the 30 bads", "one", "two", "three", "four"];
    await Deno.writeTextFile(`${folder}/a.jsonl`, texts.map((text) => JSON.stringify({ text })).join("\n"));
    await Deno.writeTextFile(`${folder}/bad.txt`, `bad thing\r\n\n${words.map((word) => `no ${word}\n`).join("")}`);
    await Deno.writeTextFile(`${folder}/evaluation.jsonl`, JSON.stringify({ text: evaluation }));
    const pipeline = "pipeline: [{stage: blocklist, words: FILE:bad.txt}, " +
      "{stage: contamination, texts: [never there, FILE:evaluation.jsonl]}]\n";
    await Deno.writeTextFile(`${folder}/clean.yaml`, pipeline);
    const args = ["prepare", "a.jsonl", "--out_dir=d", "--pipeline=clean.yaml", "--val_fraction=0.5"];
    const stdout = await run("data", args, folder);
    assertMatch(stdout, /^blocklist: 6 of 7 documents stay, 0 changed\ncontamination: 5 of 6 documents stay/m);
    const meta = JSON.parse(await Deno.readTextFile(`${folder}/d/meta.json`));
    assertEquals(meta.pipeline[0].options.words.items, 41);
    assertEquals(meta.pipeline[1].options.texts, ["never there", evaluation]);
    await Deno.remove(`${folder}/bad.txt`);
    args[2] = "--out_dir=e";
    assertMatch(await fails(args, folder), /^error: clean\.yaml: .*bad\.txt/m);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

async function* documents(): AsyncGenerator<Document> {
  for (let i = 0; i < 200; i++) {
    yield { text: `${"abc".slice(i % 3)} is ${i % 17}\n`.repeat(1 + i % 4), source: "test" };
  }
}

Deno.test("a bigram model trains on documents in shards, resumes as if it had never stopped, and writes text", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const bytes = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte));
    const tokenizer = BpeTokenizer.fromRanks(bytes, { pattern: "gpt2", specialTokens: { "<|endoftext|>": 256 } });
    await prepareData(`${folder}/data`, documents(), { tokenizer, valFraction: 0.3 });
    const flags = ["--model=bigram", "--batch_order=permutation"], separate = "--document_boundaries=true";
    const size = ["--block_size=16", "--batch_size=8", "--learning_rate=0.1", "--min_lr=0.1", "--warmup_iters=0"];
    const pace = ["--eval_interval=20", "--eval_iters=2", "--sample_tokens=5", "--log_interval=10", "--tune=off"];
    const train = async (...more: string[]) =>
      await run("train", ["--dataset=data", ...flags, ...size, ...pace, ...more], folder);
    const whole = await train(separate, "--out_dir=whole", "--max_iters=60");
    await train(separate, "--out_dir=part", "--max_iters=20");
    const resumed = await run("train", ["--init_from=resume", "--out_dir=part", "--max_iters=60"], folder);
    const evaluated = (output: string) => [...output.matchAll(/^step (40|60): .*validation loss ([\d.]+)/gm)];
    assertEquals(evaluated(whole).length, 2);
    assertEquals(evaluated(resumed).map(String), evaluated(whole).map(String));
    assertEquals(Number(evaluated(whole)[1][2]) < Math.log(257) - 2, true, whole);
    const table = async (name: string) => await Deno.readFile(`${folder}/${name}/last/model.safetensors`);
    assertEquals(await table("part"), await table("whole"));
    const ignoring = await train("--out_dir=ignoring", "--max_iters=60");
    assertEquals(evaluated(ignoring).map(String).join() === evaluated(whole).map(String).join(), false);
    const written = await run(
      "generate",
      ["--out_dir=whole", "--start=a", "--temperature=0", "--max_new_tokens=9"],
      folder,
    );
    assertMatch(written, /^abc is is /); // a bigram model cannot know which word it is in
    // what begins a document is learned from its end-of-text token: "a", "b" or "c"
    const { tensors } = await readSafetensorsFile(`${folder}/whole/last/model.safetensors`);
    const row = tensors.get("wte.weight")!.data.subarray(256 * 257, 257 * 257);
    const likeliest = [...row.keys()].sort((i, j) => row[j] - row[i]).slice(0, 3).sort((i, j) => i - j);
    assertEquals(tokenizer.decode(likeliest), "abc");

    const refused = async (dataset: string) => {
      const { code, stderr } = await runTask("train", [`--dataset=${dataset}`, ...flags, ...pace, separate], folder);
      assertEquals(code, 1);
      return stderr;
    };
    await Deno.writeTextFile(`${folder}/text.txt`, "text ".repeat(100));
    assertMatch(await refused("text.txt"), /^error: document_boundaries is true: dataset must be a folder of/m);
    const characters = CharTokenizer.fromText("abcis 0123456789\n");
    await prepareData(`${folder}/characters`, documents(), { tokenizer: characters, valFraction: 0.3 });
    assertMatch(await refused("characters"), /^error: .*the tokenizer of characters has no end-of-text token/m);
    const shard = await Deno.readFile(`${folder}/data/val_000000.bin`);
    shard.fill(97, -2);
    shard.fill(0, -1);
    await Deno.writeFile(`${folder}/data/val_000000.bin`, shard);
    assertMatch(await refused("data"), /^error: .*the documents of data do not end with the end-of-text token 256/m);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
