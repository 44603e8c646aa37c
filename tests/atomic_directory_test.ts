import { assertEquals, assertRejects } from "@std/assert";
import { WeftError } from "../mod.ts";
import { findDirectory, writeDirectory } from "../train/atomic_directory.ts";

const content = async (path: string) => await Deno.readTextFile(`${await findDirectory(path)}/a`);
const writer = (text: string) => async (dir: string) => await Deno.writeTextFile(`${dir}/a`, text);

Deno.test("a directory is written, and written again", async () => {
  const root = await Deno.makeTempDir(), path = `${root}/last`;
  assertEquals(await findDirectory(path), undefined);
  for (const text of ["one", "two"]) {
    await writeDirectory(path, writer(text));
    assertEquals(await content(path), text);
    assertEquals([...Deno.readDirSync(root)].map(({ name }) => name), ["last"]);
  }
  await Deno.remove(root, { recursive: true });
});

Deno.test("the previous one is kept where that is asked for, and none before it", async () => {
  const root = await Deno.makeTempDir(), path = `${root}/last`;
  for (const text of ["one", "two", "three"]) await writeDirectory(path, writer(text), { keepPrevious: true });
  assertEquals([...Deno.readDirSync(root)].map(({ name }) => name).sort(), ["last", "last.old"]);
  assertEquals([await content(path), await Deno.readTextFile(`${path}.old/a`)], ["three", "two"]);
  await Deno.remove(path, { recursive: true }); // as a kill between the renames
  await writeDirectory(path, writer("four"), { keepPrevious: true });
  assertEquals([await content(path), await Deno.readTextFile(`${path}.old/a`)], ["four", "two"]);
  await Deno.remove(root, { recursive: true });
});

Deno.test("what a kill between the renames leaves is found, and mended by the next write", async () => {
  const root = await Deno.makeTempDir(), path = `${root}/last`;
  await writeDirectory(path, writer("one"));
  await Deno.rename(path, `${path}.old`);
  await Deno.mkdir(`${path}.new`);
  assertEquals(await content(path), "one");
  await assertRejects(() => writeDirectory(path, () => Promise.reject(new Error("no"))), WeftError);
  assertEquals(await content(path), "one");
  await writeDirectory(path, writer("two"));
  assertEquals(await content(path), "two");
  assertEquals([...Deno.readDirSync(root)].map(({ name }) => name), ["last"]);
  await Deno.remove(root, { recursive: true });
});

Deno.test("a write that fails leaves what was there and says so", async () => {
  const root = await Deno.makeTempDir(), path = `${root}/last`;
  await writeDirectory(path, writer("one"));
  const full = async (dir: string) => {
    await Deno.writeTextFile(`${dir}/a`, "half");
    throw new Error("No space left on device (os error 28)");
  };
  await assertRejects(
    () => writeDirectory(path, full),
    WeftError,
    `${path} cannot be written, and what was there is as it was: No space left on device`,
  );
  assertEquals(await content(path), "one");
  assertEquals([...Deno.readDirSync(root)].map(({ name }) => name), ["last"]);
  await Deno.remove(root, { recursive: true });
});

Deno.test("a second rename that fails puts the previous directory back under its name", async () => {
  const root = await Deno.makeTempDir(), path = `${root}/last`, rename = Deno.rename;
  await writeDirectory(path, writer("one"));
  try {
    Deno.rename = (from, to) =>
      from === `${path}.new` ? Promise.reject(new Error("Read-only file system (os error 30)")) : rename(from, to);
    await assertRejects(() => writeDirectory(path, writer("two")), WeftError, "Read-only file system");
  } finally {
    Deno.rename = rename;
  }
  assertEquals(await Deno.readTextFile(`${path}/a`), "one");
  assertEquals([...Deno.readDirSync(root)].map(({ name }) => name), ["last"]);
  await Deno.remove(root, { recursive: true });
});

Deno.test("an old directory that cannot be removed does not make a finished write fail", async () => {
  const root = await Deno.makeTempDir(), path = `${root}/last`, remove = Deno.remove;
  await writeDirectory(path, writer("one"));
  try {
    let left = 1; // the first removal is of a stale .old before the renames
    Deno.remove = (target, options) =>
      String(target) === `${path}.old` && left-- < 1 ? Promise.reject(new Error("busy")) : remove(target, options);
    await writeDirectory(path, writer("two"));
  } finally {
    Deno.remove = remove;
  }
  assertEquals(await content(path), "two");
  await writeDirectory(path, writer("three")); // clears what was left
  assertEquals([...Deno.readDirSync(root)].map(({ name }) => name), ["last"]);
  await Deno.remove(root, { recursive: true });
});

Deno.test("files and folders in it are synced, and the folder that names it", async () => {
  const root = await Deno.makeTempDir(), path = `${root}/last`, open = Deno.open, opened: string[] = [];
  try {
    Deno.open = (file, options) => (opened.push(String(file)), open(file, options));
    await writeDirectory(path, async (dir) => {
      await Deno.mkdir(`${dir}/sub`);
      await Deno.writeTextFile(`${dir}/sub/b`, "b");
      await writer("a")(dir);
    });
  } finally {
    Deno.open = open;
  }
  assertEquals(opened.sort(), [root, `${path}.new`, `${path}.new/a`, `${path}.new/sub`, `${path}.new/sub/b`]);
  await Deno.remove(root, { recursive: true });
});

Deno.test("a kill -9 at any moment leaves one whole directory", async () => {
  const root = await Deno.makeTempDir(), path = `${root}/last`;
  // Each version has two files with the same number: a mixture would show.
  const program = `
    import { writeDirectory } from "${new URL("../train/atomic_directory.ts", import.meta.url)}";
    for (let i = 0;; i++) {
      await writeDirectory(Deno.args[0], async (dir) => {
        for (const name of ["a", "b"]) await Deno.writeTextFile(dir + "/" + name, (i + ",").repeat(2000));
      });
      if (i === 0) console.log("ready");
    }`;
  await Deno.writeTextFile(`${root}/program.ts`, program);
  for (let round = 0; round < 15; round++) {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-check", "--allow-read", "--allow-write", `${root}/program.ts`, path],
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const reader = child.stdout.getReader();
    await reader.read(); // the first version is there
    await new Promise((resolve) => setTimeout(resolve, 3 + 2.7 * round));
    child.kill("SIGKILL");
    await child.status;
    await reader.cancel();
    const found = await findDirectory(path);
    const [a, b] = await Promise.all(["a", "b"].map((name) => Deno.readTextFile(`${found}/${name}`)));
    assertEquals(a, b, `round ${round}`);
    assertEquals(a.length > 2000, true);
  }
  await Deno.remove(root, { recursive: true });
});
