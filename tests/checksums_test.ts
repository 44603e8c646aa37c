import { assertEquals, assertRejects } from "@std/assert";
import { WeftError } from "../mod.ts";
import { checksumsFile, hashText, verifyChecksums, writeChecksums } from "../train/checksums.ts";

const texts = { "a.json": "{}\n", "b.bin": "some bytes of a file\n".repeat(100), "empty": "" };

async function withFiles(body: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    for (const [name, text] of Object.entries(texts)) await Deno.writeTextFile(`${dir}/${name}`, text);
    await writeChecksums(dir, new Map(Object.entries(texts).map(([name, text]) => [name, hashText(text)])));
    await body(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("what is whole passes, and a directory without checksums is not checked", async () => {
  await withFiles(async (dir) => {
    assertEquals(await verifyChecksums(dir), true);
    await Deno.writeTextFile(`${dir}/other`, "not named"); // is nobody's business
    assertEquals(await verifyChecksums(dir), true);
    await Deno.remove(`${dir}/${checksumsFile}`);
    assertEquals(await verifyChecksums(dir), false);
  });
});

Deno.test("every file that is not what it was is named, with what is wrong", async () => {
  await withFiles(async (dir) => {
    await Deno.remove(`${dir}/a.json`);
    await Deno.writeTextFile(`${dir}/b.bin`, texts["b.bin"].replace("bytes", "bites"));
    await Deno.writeTextFile(`${dir}/empty`, "no");
    const error = await assertRejects(() => verifyChecksums(dir), WeftError);
    assertEquals(
      (error as Error).message.replaceAll(`${dir}/`, ""),
      [
        "a.json is damaged: it is missing",
        "b.bin is damaged: its contents do not have their checksum",
        "empty is damaged: it has 2 bytes instead of 0",
      ].join("; "),
    );
  });
});

Deno.test("a flipped bit anywhere in the checksums, and their end anywhere, is damage of theirs", async () => {
  await withFiles(async (dir) => {
    const path = `${dir}/${checksumsFile}`, whole = await Deno.readFile(path);
    for (let bit = 0; bit < 8 * whole.length; bit += 3) {
      const flipped = whole.slice();
      flipped[bit >> 3] ^= 1 << (bit & 7);
      await Deno.writeFile(path, flipped);
      await assertRejects(() => verifyChecksums(dir), WeftError, "checksums.txt is damaged", `bit ${bit}`);
    }
    for (let length = 0; length < whole.length; length++) {
      await Deno.writeFile(path, whole.subarray(0, length));
      await assertRejects(() => verifyChecksums(dir), WeftError, "checksums.txt is damaged", `${length} bytes`);
    }
  });
});
