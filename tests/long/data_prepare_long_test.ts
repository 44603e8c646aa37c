import { assertEquals } from "@std/assert";
import { generateCorpus } from "../_generated_corpus.ts";
import { findDirectory } from "../../train/atomic_directory.ts";
import { runTask, startTask } from "../_program.ts";

async function contents(folder: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for await (const { name } of Deno.readDir(folder)) {
    const hash = await crypto.subtle.digest("SHA-256", await Deno.readFile(`${folder}/${name}`));
    files[name] = new Uint8Array(hash).toHex();
  }
  return files;
}

Deno.test("data prepare that is killed at any moment and started again writes the same bytes, and leaves nothing", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const corpus = [...generateCorpus({ seed: 5, documents: 6000, words: 300, exact: 0.1, near: 0.1, private: 0.2 })];
    const lines = corpus.map(({ text }) => JSON.stringify({ text }) + "\n");
    await Deno.writeTextFile(`${folder}/a.jsonl`, lines.join(""));
    await Deno.writeTextFile(
      `${folder}/clean.yaml`,
      "pipeline: [unicode, html, redact, exact_duplicates, near_duplicates]\n",
    );
    const prepare = (out: string) => [
      ...["prepare", "a.jsonl", `--out_dir=${out}`, "--pipeline=clean.yaml", "--save_interval=0"],
    ];
    const began = performance.now();
    assertEquals((await runTask("data", prepare("whole"), folder)).code, 0);
    const took = performance.now() - began, expected = await contents(`${folder}/whole`);
    let goneOn = 0;
    for (let i = 1; i <= 12; i++) {
      const child = await startTask("data", prepare("killed"), folder);
      const timer = setTimeout(() => child.kill("SIGKILL"), took * i / 12);
      const { success } = await child.output();
      clearTimeout(timer);
      if (!success && i % 3 > 0) continue; // sometimes several kills in a row
      if (!success && await findDirectory(`${folder}/killed`) === undefined) { // unless it was done when it was killed
        const { code, stdout } = await runTask("data", prepare("killed"), folder);
        assertEquals(code, 0);
        if (/^Going on with what killed\.work keeps$/m.test(stdout)) goneOn++;
      }
      assertEquals(await contents(`${folder}/killed`), expected);
      const left = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
      assertEquals(left, ["a.jsonl", "clean.yaml", "killed", "whole"]);
      await Deno.remove(`${folder}/killed`, { recursive: true });
    }
    assertEquals(goneOn >= 2, true, `${goneOn} went on`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
