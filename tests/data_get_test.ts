import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { WeftError } from "../mod.ts";
import { corpora, type Corpus } from "../train/corpora.ts";
import { dataGet } from "../cli/data_get.ts";
import { Progress } from "../cli/progress.ts";

/** Runs `data get` and gives what it printed. */
async function get(args: string[], table?: Record<string, Corpus>): Promise<string> {
  let printed = "";
  const progress = new Progress({ write: (text) => printed += text, columns: () => undefined });
  await dataGet(args, { corpora: table, progress });
  return printed;
}

Deno.test("every corpus is complete: where from, under which terms, how it is read", () => {
  assertEquals(Object.keys(corpora), ["shakespeare", "wizard-of-oz", "tinystories", "openwebtext", "fineweb-edu"]);
  const names = new Set<string>();
  for (const [name, { about, licence, home, format, textField, files }] of Object.entries(corpora)) {
    for (const text of [about, licence]) assertEquals(text.length > 5 && !text.includes("\n"), true, name);
    assertEquals(new URL(home).protocol, "https:");
    assertEquals(textField !== undefined, format !== "text", name);
    assertEquals(files.length > 0, true);
    for (const { url, name: file, bytes, sha256 } of files) {
      assertEquals(new URL(url).protocol, "https:");
      assertEquals(/^[\w.-]+$/.test(file) && !names.has(`${name}/${file}`), true, file);
      names.add(`${name}/${file}`);
      assertEquals(bytes === undefined || Number.isSafeInteger(bytes) && bytes > 0, true);
      assertEquals(sha256 === undefined || /^[0-9a-f]{64}$/.test(sha256), true);
    }
  }
  assertEquals(corpora["fineweb-edu"].files.reduce((sum, { bytes = 0 }) => sum + bytes, 0), 28_518_193_415);
});

Deno.test("without a name the corpora are listed with sizes and licences", async () => {
  const printed = await get([]);
  for (const name of Object.keys(corpora)) assertStringIncludes(printed, `\n  ${name} `);
  assertStringIncludes(printed, "14 files, 28.5GB");
  assertStringIncludes(printed, "80 files, length as the server says");
  assertStringIncludes(printed, "licence: CDLA-Sharing-1.0");
  assertStringIncludes(await get(["--help"]), "--out_dir=string");
});

Deno.test("a name that is not known is an error that names the nearest", async () => {
  await assertRejects(() => get(["tinystorys"]), WeftError, "did you mean tinystories?");
  await assertRejects(() => get(["constructor"]), WeftError, "there are shakespeare, wizard-of-oz");
  await assertRejects(() => get(["shakespeare", "--files=0"]), WeftError, "files is 0");
});

Deno.test("a corpus is downloaded into a folder of its name, its first files or all of them", async () => {
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    ({ url }) => new Response(`text of ${new URL(url).pathname}`),
  );
  const dir = await Deno.makeTempDir();
  const file = (name: string) => ({ url: `http://127.0.0.1:${server.addr.port}/${name}`, name: `${name}.txt` });
  const table: Record<string, Corpus> = {
    small: { about: "A text", licence: "none", home: "x", format: "text", files: [file("a"), file("b")] },
  };
  try {
    const first = await get(["small", `--out_dir=${dir}`, "--files=1"], table);
    assertEquals([...Deno.readDirSync(`${dir}/small`)].map(({ name }) => name), ["a.txt"]);
    assertStringIncludes(first, "licence: none");
    assertStringIncludes(first, "size: 1 file, ");
    assertStringIncludes(first, `${dir}/small/a.txt: 10B, complete`);
    await get(["small", `--out_dir=${dir}`], table);
    assertEquals(await Deno.readTextFile(`${dir}/small/b.txt`), "text of /b");
  } finally {
    await server.shutdown();
    await Deno.remove(dir, { recursive: true });
  }
});
