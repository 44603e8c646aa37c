import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { constants, gzipSync, zstdCompressSync } from "node:zlib";
import { WeftError } from "../mod.ts";
import { readDocuments } from "../cli/readers/read_documents.ts";
import type { PlacedDocument, ReadOptions } from "../cli/readers/read_options.ts";
import { describeReadReport, emptyReadReport, type ReadReport } from "../cli/readers/read_report.ts";

type Content = string | Uint8Array;
const encoder = new TextEncoder();
const concat = (...parts: Content[]) =>
  Uint8Array.from(parts.flatMap((part) => [...typeof part === "string" ? encoder.encode(part) : part]));

/** Runs `body` in a folder that holds these files. */
async function inFolder(files: Record<string, Content>, body: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "weft test " });
  try {
    for (const [name, content] of Object.entries(files)) {
      await Deno.mkdir(`${dir}/${name}`.replace(/[^/]*$/, ""), { recursive: true });
      await Deno.writeFile(`${dir}/${name}`, typeof content === "string" ? encoder.encode(content) : content);
    }
    await body(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

async function read(inputs: string[], options: ReadOptions = {}): Promise<PlacedDocument[]> {
  return await Array.fromAsync(readDocuments(inputs, options));
}

/** The texts of these files, and what was left out, with the folder taken off the examples. */
async function readAll(
  files: Record<string, Content>,
  options: ReadOptions = {},
): Promise<{ texts: string[]; sources: string[]; report: ReadReport; skipped: Record<string, string[]> }> {
  const report = emptyReadReport();
  let texts: string[] = [], sources: string[] = [], skipped: Record<string, string[]> = {};
  await inFolder(files, async (dir) => {
    const documents = await read([dir], { ...options, report });
    texts = documents.map(({ text }) => text);
    sources = documents.map(({ source }) => source.replace(`${dir}/`, ""));
    skipped = Object.fromEntries(
      Object.entries(report.skipped).map(([reason, { count, examples }]) => {
        assertEquals(count >= examples.length, true);
        return [reason, examples.map((example) => example.replaceAll(`${dir}/`, ""))];
      }),
    );
  });
  return { texts, sources, report, skipped };
}

const line = (text: string) => JSON.stringify({ id: 1, text }) + "\n";
const zstd = (text: string) => zstdCompressSync(text, { params: { [constants.ZSTD_c_checksumFlag]: 1 } });

Deno.test("plain text: a file is a document, as it is but for a byte order mark", async () => {
  const { texts, sources, report } = await readAll({ "b.md": "# B\r\n\r\nb\n", "a.txt": "\ufeffé\n\ufeffa\n" });
  assertEquals(texts, ["é\n\ufeffa\n", "# B\r\n\r\nb\n"]);
  assertEquals(sources, ["a.txt", "b.md"]);
  assertEquals(report, { files: 2, bytes: 20, bytesBefore: 11, documents: 2, skipped: {} });
});

Deno.test("plain text with separators: what is between them, without the line ends around it", async () => {
  const files = { "a.txt": "<|endoftext|>one\n<|endoftext|>\n two\n\n2\r\n<|endoftext|>\n \n<|endoftext|>three" };
  const { texts, sources, skipped } = await readAll(files, { documentSeparator: "<|endoftext|>" });
  assertEquals(texts, ["one", " two\n\n2", "three"]);
  assertEquals(sources, ["a.txt:2", "a.txt:3", "a.txt:5"]);
  assertEquals(skipped, {});
  const blank = await readAll({ "a.txt": "one\r\n1\r\n\r\n\r\ntwo\n \t\nthree\n" }, { documentSeparator: "\n\n" });
  assertEquals(blank.texts, ["one\r\n1", "two", "three"]);
});

Deno.test("JSONL: the field of each line, by line number; blank lines are nothing", async () => {
  const files = { "a.jsonl": `\ufeff${line("one")}\r\n\n${line('t"wo\n\u2028')}{"text":"end"}` };
  const { texts, sources, skipped } = await readAll(files);
  assertEquals(texts, ["one", 't"wo\n\u2028', "end"]);
  assertEquals(sources, ["a.jsonl:1", "a.jsonl:4", "a.jsonl:5"]);
  assertEquals(skipped, {});
  assertEquals((await readAll({ "a.jsonl": '{"body":"b","text":1}' }, { textField: "body" })).texts, ["b"]);
});

Deno.test("gzip and zstd of text and JSONL, also of several members, frames and skippable frames", async () => {
  const skippable = new Uint8Array([0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
  const long = "long ".repeat(100_000) + "x".repeat(500_000); // of blocks of all kinds
  const { texts, report, skipped } = await readAll({
    "a.txt.gz": gzipSync("in gzip"),
    "b.jsonl.gz": concat(gzipSync(line("1") + '{"te'), gzipSync('xt":"2"}\n'), gzipSync(line("3"))),
    "c.jsonl.zst": concat(skippable, zstd(line("4") + '{"te'), skippable, zstd('xt":"5"}\n'), zstd(line(long))),
    "d.txt.zstd": zstd("in zstd"),
    "e.json.gz": gzipSync(line("6")),
  });
  assertEquals(texts, ["in gzip", "1", "2", "3", "4", "5", long, "in zstd", "6"]);
  assertEquals([report.files, skipped], [5, {}]);
});

Deno.test("the kind of a file with another name is seen from its beginning", async () => {
  await inFolder({
    "lines": line("one"),
    "packed": gzipSync(line("two")),
    "words.dat": "some { words",
    "as text.jsonl": line("three"),
  }, async (dir) => {
    const names = ["lines", "packed", "words.dat"].map((name) => `${dir}/${name}`);
    assertEquals((await read(names)).map(({ text }) => text), ["one", "two", "some { words"]);
    assertEquals((await read([`${dir}/as text.jsonl`], { format: "text" }))[0].text, line("three"));
    assertEquals((await read([`${dir}/lines`], { format: "jsonl" }))[0].text, "one");
  });
});

Deno.test("folders, patterns and files give each file once, in the order of paths", async () => {
  const names = [
    "b/2.txt",
    "b/10.txt",
    "B.txt",
    "a[1].txt",
    ".hidden/x.txt",
    "a.txt.part",
    "a.txt.part.info",
    "b/.part.txt",
    "notes.pdf",
    "b/c/d.jsonl",
  ];
  await inFolder(Object.fromEntries(names.map((name) => [name, line(name)])), async (dir) => {
    await Deno.symlink(`${dir}/b`, `${dir}/b/circle.txt`);
    const sources = async (...inputs: string[]) =>
      (await read(inputs.map((input) => `${dir}/${input}`))).map(({ source }) => source.slice(dir.length + 1));
    const all = ["B.txt", "a[1].txt", "b/10.txt", "b/2.txt", "b/c/d.jsonl:1"];
    assertEquals(await sources(""), all);
    assertEquals(await sources("b", "B.txt", "./b/10.txt", "a[1].txt"), all);
    assertEquals(await sources("**/*.{txt,jsonl}", "notes.pdf"), [...all, "notes.pdf:1"]);
    assertEquals(await sources("b/?.txt"), ["b/2.txt"]);
    assertEquals(await sources("a[1].txt"), ["a[1].txt"]);
    await assertRejects(() => sources("x*.txt"), WeftError, "matches no file");
    await assertRejects(() => sources("gone.txt"), WeftError, "gone.txt does not exist");
    await Deno.mkdir(`${dir}/empty`);
    await assertRejects(() => sources("empty"), WeftError, "holds no file that can be read");
    await assertRejects(() => read([]), WeftError, "No input is given");
  });
});

Deno.test("from any document on, another run reads the same as the first, wherever the file allows to jump or not", async () => {
  const lines = Array.from({ length: 50 }, (_, i) => i % 7 === 3 ? "{broken\n" : i % 7 === 5 ? "\n" : line(`é ${i}`));
  await inFolder({
    "a.jsonl": "\ufeff" + lines.join(""),
    "b.jsonl.gz": gzipSync(lines.join("")),
    "c.txt": Array.from({ length: 20 }, (_, i) => `text ${i}`).join("\n---\n"),
    "d.txt.zst": zstd("last\n---\none"),
  }, async (dir) => {
    const options = { documentSeparator: "---" }, whole = emptyReadReport();
    const documents = await read([dir], { ...options, report: whole });
    assertEquals(documents.length, 2 * 36 + 22);
    const bytes = documents.filter(({ position }) => position.byte !== undefined);
    assertEquals(bytes.length, 36 + 20); // those of files that are not compressed
    let report = emptyReadReport();
    const stepwise: PlacedDocument[] = [];
    for (let i = 0; i < documents.length; i++) {
      assertEquals(documents[i - 1]?.next.file ?? 0, documents[Math.max(0, i - 1)].position.file);
      assertEquals(await read([dir], { ...options, from: documents[i].position }), documents.slice(i));
      const from = stepwise.at(-1)?.next;
      for await (const document of readDocuments([dir], { ...options, from, report })) {
        stepwise.push(document);
        break; // killed after each document, with what it had counted until then
      }
      report = JSON.parse(JSON.stringify(report));
    }
    assertEquals(stepwise, documents);
    assertEquals(await read([dir], { ...options, from: stepwise.at(-1)!.next, report }), []);
    assertEquals(report, whole); // what was read ahead before a kill is not counted twice
    await assertRejects(() => read([dir], { from: { file: 9, document: 0 } }), WeftError, "there are 4 now");
  });
});

Deno.test("documents that are too large, empty, not UTF-8, not JSON or without text are counted with their places", async () => {
  const { texts, report, skipped } = await readAll({
    "a.jsonl": concat(
      line("good"),
      line("x".repeat(300)),
      '{"text": "cut',
      "\n[1]\nnull\n",
      '{"id": 1, "body": "b"}\n{"text": null}\n{}\n',
      line(" \n"),
      concat('{"text": "', new Uint8Array([0xff, 0xe9]), '"}\n'),
      '{"text": "half \\ud83d"}\n',
      line("end"),
    ),
    "b.txt": "",
    "c.txt": " \n",
    "d.txt": new Uint8Array([0x61, 0xe9, 0x62]),
    "e.txt.gz": gzipSync(""),
    "f.txt": "y".repeat(201),
  }, { maxDocumentBytes: 200 });
  assertEquals(texts, ["good", "end"]);
  assertEquals(skipped, {
    too_large: ["a.jsonl:2: 318 bytes", "f.txt: 201 bytes"],
    invalid_json: ['a.jsonl:3: "{\\"text\\": \\"cut"', 'a.jsonl:4: "[1]"', 'a.jsonl:5: "null"'],
    no_text: ["a.jsonl:6: its fields are id, body", "a.jsonl:7: text is not a text", "a.jsonl:8: no field"],
    empty_document: ["a.jsonl:9"],
    invalid_utf8: [
      'a.jsonl:10: "{\\"text\\": \\"\ufffd\ufffd\\"}"',
      "a.jsonl:11: half a surrogate pair",
      'd.txt: "a\ufffdb"',
    ],
    empty_file: ["b.txt", "c.txt", "e.txt.gz"],
  });
  assertEquals([report.files, report.documents], [6, 2]);
  assertStringIncludes(describeReadReport(report), "left out: 3 documents that are not UTF-8\n  ");
});

Deno.test("what is not UTF-8 can be replaced", async () => {
  const { texts, skipped } = await readAll({
    "a.txt": new Uint8Array([0x61, 0xe9, 0x62]),
    "b.jsonl": concat('{"text": "', new Uint8Array([0xff]), '"}\n{"text": "half \\ud83d"}\n'),
  }, { invalidUtf8: "replace" });
  assertEquals(texts, ["a\ufffdb", "\ufffd", "half \ufffd"]);
  assertEquals(skipped, {});
});

Deno.test("only the first examples are kept", async () => {
  const { report } = await readAll({ "a.jsonl": line("good") + "{\n".repeat(1000) });
  assertEquals(report.skipped.invalid_json?.count, 1000);
  assertEquals(report.skipped.invalid_json?.examples.length, 5);
});

Deno.test("a compressed file that is cut off or damaged is an error, or counted with what it still gave", async () => {
  const texts = Array.from({ length: 2000 }, (_, i) => `${i} ${Math.sin(i)} ${Math.cos(i)}`);
  const content = texts.map(line).join("");
  const cut = (bytes: Uint8Array, by: number) => bytes.subarray(0, bytes.length - by);
  const flip = (bytes: Uint8Array) => bytes.map((byte, i) => i === bytes.length - 2 ? byte ^ 1 : byte);
  const files: Record<string, Content> = {
    "cut.jsonl.gz": cut(gzipSync(content), 1000),
    "cut.jsonl.zst": cut(zstd(content), 1000),
    "trailer.jsonl.gz": cut(gzipSync(content), 1),
    "trailer.jsonl.zst": cut(zstd(content), 1),
    "flipped.jsonl.gz": flip(gzipSync(content)),
    "flipped.jsonl.zst": flip(zstd(content)),
    "garbage.jsonl.gz": concat(gzipSync(content), "and more"),
    "garbage.jsonl.zst": concat(zstd(content), "and more"),
    "page.jsonl.gz": "<html>Not found</html>",
    "page.jsonl.zst": "<html>Not found</html>",
    "head.jsonl.zst": zstd(content).subarray(0, 5),
    "dictionary.jsonl.zst": new Uint8Array([0x28, 0xb5, 0x2f, 0xfd, 0x21, 7, 1, 1, 0, 0]),
  };
  for (const [name, bytes] of Object.entries(files)) {
    await inFolder({ "a good one.txt": "good", [name]: bytes }, async (dir) => {
      const error = await assertRejects(() => read([dir]), WeftError, `${dir}/${name} is damaged or cut off after `);
      assertStringIncludes(error.message, "damaged_files=skip", name);
      if (name.startsWith("dictionary")) assertStringIncludes(error.message, "with a dictionary of its own");
    });
    const { texts: found, report, skipped } = await readAll(
      { "a good one.txt": "good", [name]: bytes },
      { damagedFiles: "skip" },
    );
    assertEquals(found, ["good", ...texts.slice(0, found.length - 1)], name);
    assertEquals(Object.keys(skipped), ["damaged_file"]);
    assertEquals(report.skipped.damaged_file?.count, 1);
  }
});

Deno.test("when not one line has the field, or is JSON, or when there is no document at all, that is an error", async () => {
  const fails = async (files: Record<string, Content>, message: string, options: ReadOptions = {}) => {
    await inFolder(files, async (dir) => {
      const error = await assertRejects(() => read([dir], options), WeftError);
      assertStringIncludes(error.message, message);
    });
  };
  await fails({ "a.jsonl": '{"id": 1, "body": "b"}\n'.repeat(3) }, "the field text is in none of them (");
  await fails(
    { "a.jsonl": '{"id": 1, "body": "b"}\n' },
    "its fields are id, body); name the field of the text with text_field",
  );
  const many = '{"body": "b"}\n'.repeat(10_000);
  await fails({ "a.jsonl": many + line("far away") }, "the field text is in none of them ("); // without waiting for it
  await fails({ "a.jsonl": "just words\nand more\n" }, "is not JSONL, one JSON object a line");
  await fails({ "a.txt": "", "b.jsonl": "\n" }, "There is no document to read: 0 documents from 2 files");
  await fails({ "a.txt": "x".repeat(100) }, "name what stands between documents with document_separator", {
    maxDocumentBytes: 99,
  });
  await fails({ "a.txt": "x" }, "document_separator is empty", { documentSeparator: "" });
  await fails({ "a.txt": "x" }, "max_document_bytes is 0", { maxDocumentBytes: 0 });
  // one file without any is no reason to stop once there were documents
  assertEquals((await readAll({ "a.txt": "a", "b.jsonl": "words\n" })).skipped, {
    invalid_json: ['b.jsonl:1: "words"'],
  });
});

Deno.test("standard input is read as what it begins like", async () => {
  const program = `import { readDocuments } from ${
    JSON.stringify(import.meta.resolve("../cli/readers/read_documents.ts"))
  };
    for await (const { text, source } of readDocuments(["-"])) console.log(source, text);`;
  const run = async (input: Uint8Array) => {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["eval", program],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      env: { NO_COLOR: "1" },
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(input).then(() => writer.close()).catch(() => {}); // it may have ended before
    const { stdout, stderr } = await child.output();
    return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  };
  assertEquals(await run(encoder.encode("words")), "- words\n");
  assertEquals(await run(gzipSync(line("one") + line("two"))), "-:1 one\n-:2 two\n");
  assertStringIncludes(await run(encoder.encode("PAR1 and more PAR1")), "Parquet cannot be read from standard input");
});
