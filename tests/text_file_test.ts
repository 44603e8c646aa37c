import { assertEquals, assertRejects } from "@std/assert";
import { readTextFile, WeftError } from "../mod.ts";

const bytes = (...values: number[]) => new Uint8Array(values);
const encode = (text: string) => new TextEncoder().encode(text);

async function read(content: Uint8Array): Promise<string> {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeFile(path, content);
    return await readTextFile(path);
  } finally {
    await Deno.remove(path);
  }
}

Deno.test("the byte order mark goes and lines end in LF", async () => {
  assertEquals(await read(encode("\ufeffone\r\ntwo\rthree\nfour\r\n")), "one\ntwo\nthree\nfour\n");
  assertEquals(await read(encode("né 🙂")), "né 🙂");
});

Deno.test("a file that is not UTF-8 is refused with the offset of the first bad byte", async () => {
  const cases: [Uint8Array, number][] = [
    [bytes(0x61, 0x62, 0xff, 0x63), 2],
    [bytes(0xe9, 0x61), 0], // Latin-1
    [bytes(0x61, 0xe2, 0x82), 1], // cut off
    [bytes(0xef, 0xbb, 0xbf, 0x61, 0xc0, 0x80), 4], // after a byte order mark, overlong
    [bytes(0x61, 0xef, 0x62), 1], // ï in Latin-1: the byte that U+FFFD begins with
    [bytes(0x61, 0xef, 0xbf), 1], // cut off in what could be U+FFFD
    [bytes(0xef, 0xbf, 0xbd, 0xff), 3], // after a U+FFFD that is meant
  ];
  for (const [content, offset] of cases) {
    await assertRejects(
      () => read(content),
      WeftError,
      `is not UTF-8: the first bad byte is at offset ${offset};`,
    );
  }
});

Deno.test("a file that is missing, empty, blank or a directory is refused", async () => {
  await assertRejects(() => readTextFile("/no/such.txt"), WeftError, "/no/such.txt does not exist");
  await assertRejects(() => read(bytes()), WeftError, "is empty");
  await assertRejects(() => read(encode(" \n\r\n")), WeftError, "is empty");
  const dir = await Deno.makeTempDir();
  await assertRejects(() => readTextFile(dir), WeftError, "is a directory");
  await Deno.remove(dir);
});
