import { assertEquals, assertThrows } from "@std/assert";
import { Batches, ShardWriter, TokenShards, WeftError, WorkFolder } from "../mod.ts";
import { inFolder } from "./_program.ts";

const ids = (count: number, step: number) => new Int32Array(count).map((_, i) => i * step % 60_000);

for (const format of ["nanogpt", "llm.c"] as const) {
  for (const [type, step] of [["uint16", 7], ["uint32", 30_001]] as const) {
    Deno.test(`shards of ${format} in ${type} hold what was written, wherever it is read`, () =>
      inFolder(async (folder) => {
        const tokens = ids(1000, step);
        using work = await WorkFolder.open(folder, "");
        const writer = new ShardWriter(work, "train", { type, format, shardTokens: 300 });
        for (const [from, to] of [[0, 1], [1, 650], [650, 650], [650, 1000]]) {
          writer.write(tokens.subarray(from, to));
        }
        const shards = writer.end();
        assertEquals(shards.map(({ name, tokens }) => [name, tokens]), [
          ["train_000000.bin", 300],
          ["train_000001.bin", 300],
          ["train_000002.bin", 300],
          ["train_000003.bin", 100],
        ]);
        const bytes = await Deno.readFile(`${folder}/train_000003.bin`);
        assertEquals(bytes.length, 100 * (type === "uint16" ? 2 : 4) + (format === "llm.c" ? 1024 : 0));
        const header = [...new Int32Array(bytes.buffer, 0, 3)];
        if (format === "llm.c") assertEquals(header, [...type === "uint16" ? [20240520, 1] : [20240801, 7], 100]);
        const hash = await crypto.subtle.digest("SHA-256", bytes);
        assertEquals(shards[3].sha256, new Uint8Array(hash).toHex());
        for (const cacheBytes of [0, 2 ** 28]) { // read where it is asked for, or kept
          using opened = TokenShards.open(shards.map(({ name }) => `${folder}/${name}`), { type, cacheBytes });
          assertEquals(opened.length, 1000);
          for (const [start, count] of [[0, 1000], [299, 2], [300, 300], [999, 1], [0, 1], [250, 700]]) {
            const out = new Int32Array(count);
            opened.copyTo(out, start);
            assertEquals(out, tokens.slice(start, start + count));
          }
          assertThrows(() => opened.copyTo(new Int32Array(2), 999), RangeError);
          const options = { batchSize: 3, blockSize: 50, seed: 2 };
          for (const order of ["random", "permutation"] as const) {
            const [onDisk, inMemory] = [opened, tokens].map((source) => new Batches(source, { ...options, order }));
            for (let i = 0; i < 9; i++) assertEquals(onDisk.at(i), inMemory.at(i));
          }
        }
      }));
  }
}

Deno.test("an id that does not fit, and files that are no shards, are refused", () =>
  inFolder(async (folder) => {
    using work = await WorkFolder.open(folder, "");
    const writer = new ShardWriter(work, "val", { type: "uint16", format: "llm.c", shardTokens: 10 });
    assertThrows(() => writer.write(Int32Array.of(3, 65_536)), WeftError, "The id 65536 does not fit uint16");
    writer.write(Int32Array.of(65_535, 1));
    writer.end();
    const path = `${folder}/val_000000.bin`, bytes = await Deno.readFile(path);
    await Deno.writeFile(path, bytes.slice(0, -2));
    assertThrows(() => TokenShards.open([path]), WeftError, "its header says 2 tokens, and 1 follow");
    await Deno.writeFile(path, new Uint8Array(7));
    assertThrows(() => TokenShards.open([path]), WeftError, "7 bytes are no whole uint16s");
    await Deno.writeFile(path, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 128));
    using large = TokenShards.open([path], { type: "uint32" });
    assertThrows(() => large.copyTo(new Int32Array(2), 0), WeftError, "the id 2147483648 at token 1");
    await Deno.writeFile(path, Uint8Array.of(4, 0, 5, 0));
    const wrong = "the id 5 at token 1: ids must be below 5";
    using kept = TokenShards.open([path], { vocabSize: 5 });
    assertThrows(() => kept.copyTo(new Int32Array(1), 0), WeftError, wrong); // whole files are checked
    using small = TokenShards.open([path], { vocabSize: 5, cacheBytes: 3 });
    small.copyTo(new Int32Array(1), 0);
    assertThrows(() => small.copyTo(new Int32Array(1), 1), WeftError, wrong);
    assertThrows(() => TokenShards.open([`${folder}/none`]), WeftError, "none cannot be read");
  }));

Deno.test("files are kept in memory up to a size, and one that becomes shorter is a clear error", () =>
  inFolder(async (folder) => {
    using work = await WorkFolder.open(folder, "");
    const writer = new ShardWriter(work, "train", { type: "uint16", format: "nanogpt", shardTokens: 10 });
    writer.write(ids(20, 7));
    const paths = (writer.end()).map(({ name }) => `${folder}/${name}`), out = new Int32Array(4);
    using kept = TokenShards.open(paths, { cacheBytes: 40 });
    using onDisk = TokenShards.open(paths, { cacheBytes: 39 });
    kept.copyTo(out, 2);
    await Deno.truncate(paths[0], 6);
    kept.copyTo(out, 6);
    assertEquals(out, ids(10, 7).slice(6));
    assertThrows(() => onDisk.copyTo(out, 2), WeftError, "train_000000.bin cannot be read: it has become shorter");
    onDisk.copyTo(out, 12);
    assertEquals(out, ids(20, 7).slice(12, 16));
  }));
