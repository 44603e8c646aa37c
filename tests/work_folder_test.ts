import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { WeftError, WorkFolder } from "../mod.ts";
import { inFolder } from "./_program.ts";

const read = (work: WorkFolder<unknown>, name: string) => {
  const file = work.file(name), bytes = new Uint8Array(file.length);
  file.readAt(0, bytes);
  return [...bytes];
};

Deno.test("work goes on from what was saved, whatever was written later", () =>
  inFolder(async (folder) => {
    {
      using work = await WorkFolder.open<{ step: number }>(folder, "key");
      assertEquals([work.state, work.isSaved], [undefined, false]);
      await work.makeFolder("out");
      work.file("a").append(Uint8Array.of(1, 2));
      work.file("out/b").append(new Uint8Array(100_000).fill(7)); // more than its buffer holds
      work.close("out/b");
      work.save({ step: 1 });
      assertEquals(work.isSaved, true);
      work.file("a").append(Uint8Array.of(3));
      work.file("out/b").append(Uint8Array.of(8));
      work.file("c").append(Uint8Array.of(9));
      for (const name of ["a", "out/b", "c"]) work.file(name).sync();
    }
    using work = await WorkFolder.open<{ step: number }>(folder, "key");
    assertEquals([work.state, work.isSaved], [{ step: 1 }, true]);
    assertEquals([read(work, "a"), read(work, "c"), work.file("out/b").length], [[1, 2], [], 100_000]);
    work.file("a").append(Uint8Array.of(4));
    assertEquals(read(work, "a"), [1, 2, 4]);
    work.file("a").writeAt(0, Uint8Array.of(5));
    assertEquals(read(work, "a"), [5, 2, 4]);
  }));

Deno.test("other work, and work of which a file is gone or short, begins anew", () =>
  inFolder(async (dir) => {
    const folder = `${dir}/work`;
    const spoilers = [
      () => Deno.removeSync(`${folder}/a`),
      () => Deno.truncateSync(`${folder}/a`, 1),
      () => Deno.writeTextFileSync(`${folder}/progress.json`, '{"key": "one", "len'),
    ];
    for (const [i, key] of ["other", "one", "one", "one"].entries()) {
      {
        using work = await WorkFolder.open(folder, "one");
        work.file("a").append(Uint8Array.of(1, 2));
        work.save(i);
      }
      if (i > 0) spoilers[i - 1]();
      using work = await WorkFolder.open(folder, key);
      assertEquals([work.state, work.isSaved, work.file("a").length], [undefined, false, 0], `case ${i}`);
      await work.remove();
    }
  }));

Deno.test("a folder is used by one program at a time, and never when it holds something else", () =>
  inFolder(async (folder) => {
    {
      using _ = await WorkFolder.open(folder, "key");
      await assertRejects(() => WorkFolder.open(folder, "key"), WeftError, "is being written by another process");
    }
    using work = await WorkFolder.open(folder, "key"); // the first one has let go
    await work.remove();
    assertThrows(() => Deno.statSync(folder), Deno.errors.NotFound);
    await Deno.mkdir(folder);
    await Deno.writeTextFile(`${folder}/mine.txt`, "mine");
    await assertRejects(() => WorkFolder.open(folder, "key"), WeftError, "holds mine.txt: move it away");
    assertEquals(await Deno.readTextFile(`${folder}/mine.txt`), "mine");
    await assertRejects(() => WorkFolder.open(`${folder}/mine.txt`, "key"), WeftError, "cannot be used to work in");
  }));
