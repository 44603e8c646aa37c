import { assertEquals } from "@std/assert";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { inFolder } from "../_program.ts";

const MiB = 1 << 20;

/** Reads the files in a program of their own, and gives what it saw and the most memory it had. */
async function readInChild(paths: string[], options: object): Promise<{
  texts: string[];
  skipped: Record<string, number>;
  peak: number;
  seconds: number;
}> {
  const readers = new URL("../../cli/readers/", import.meta.url);
  const program = `
    import { readDocuments } from ${JSON.stringify(new URL("read_documents.ts", readers))};
    import { emptyReadReport } from ${JSON.stringify(new URL("read_report.ts", readers))};
    let peak = 0;
    const sample = () => peak = Math.max(peak, Deno.memoryUsage().rss);
    const timer = setInterval(sample, 10), report = emptyReadReport(), texts = [], start = performance.now();
    for await (const { text } of readDocuments(${JSON.stringify(paths)}, { ...${JSON.stringify(options)}, report })) {
      texts.push(text.slice(0, 10)); // so short that it does not keep the whole text
      sample();
    }
    clearInterval(timer);
    const skipped = Object.fromEntries(Object.entries(report.skipped).map(([reason, { count }]) => [reason, count]));
    console.log(JSON.stringify({ texts, skipped, peak, seconds: (performance.now() - start) / 1000 }));`;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), { args: ["eval", program] }).output();
  const printed = new TextDecoder().decode(stdout);
  if (printed === "") throw new Error(new TextDecoder().decode(stderr));
  return JSON.parse(printed);
}

/** Appends these bytes that many times. */
async function append(path: string, bytes: Uint8Array, times = 1): Promise<void> {
  using file = await Deno.open(path, { append: true, create: true });
  for (let i = 0; i < times; i++) {
    for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
  }
}

const encode = (text: string) => new TextEncoder().encode(text);
const first = encode('{"text": "first"}\n'), last = encode('\n{"text": "last"}\n');

Deno.test("a line of 1 GiB is left out without being held", async () => {
  await inFolder(async (dir) => {
    const path = `${dir}/a.jsonl`;
    await append(path, first);
    await append(path, encode('{"text": "'));
    await append(path, new Uint8Array(MiB).fill(120), 1024);
    await append(path, last);
    const { texts, skipped, peak, seconds } = await readInChild([path], {});
    console.log(`peak ${Math.round(peak / MiB)} MiB, ${(1024 / seconds).toFixed(0)} MiB/s`);
    assertEquals([texts, skipped], [["first", "last"], { too_large: 1 }]);
    assertEquals(peak < 400 * MiB, true, `${peak}`);
  });
});

for (const [name, compress] of [["gzip", gzipSync], ["zstd", zstdCompressSync]] as const) {
  Deno.test(`a bomb of 4 GiB in a few megabytes of ${name} is left out without being held`, async () => {
    await inFolder(async (dir) => {
      const zeros = new Uint8Array(compress(new Uint8Array(64 * MiB)));
      const lines = `${dir}/a.jsonl.${name === "gzip" ? "gz" : "zst"}`, text = lines.replace("a.jsonl", "b.txt");
      await append(lines, new Uint8Array(compress(first)));
      await append(lines, zeros, 64);
      await append(lines, new Uint8Array(compress(last)));
      await append(text, zeros, 64);
      const { texts, skipped, peak, seconds } = await readInChild([lines, text], {});
      console.log(`peak ${Math.round(peak / MiB)} MiB, ${(8192 / seconds).toFixed(0)} MiB/s`);
      assertEquals([texts, skipped], [["first", "last"], { too_large: 2 }]);
      assertEquals(peak < 400 * MiB, true, `${peak}`);
    });
  });
}

Deno.test("documents of just the largest size, one after the other, do not pile up", async () => {
  await inFolder(async (dir) => {
    const path = `${dir}/a.txt`, piece = new Uint8Array(16 * MiB).fill(120);
    for (let i = 0; i < 40; i++) {
      await append(path, piece);
      await append(path, encode("<|endoftext|>"));
    }
    const { texts, skipped, peak } = await readInChild([path], { documentSeparator: "<|endoftext|>" });
    console.log(`peak ${Math.round(peak / MiB)} MiB`);
    assertEquals([texts.length, skipped], [40, {}]);
    assertEquals(peak < 400 * MiB, true, `${peak}`);
  });
});
