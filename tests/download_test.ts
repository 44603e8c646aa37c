import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { WeftError } from "../mod.ts";
import { downloadFile, type DownloadOptions } from "../train/download.ts";
import { root } from "./_program.ts";

const content = new Uint8Array(100_000).map((_, i) => i * 31 + (i >> 8) * 7);
const sha256 = new Uint8Array(await crypto.subtle.digest("SHA-256", content)).toHex();

/** How a server of one file behaves. */
interface Manners {
  body?: Uint8Array<ArrayBuffer>;
  etag?: string;
  lastModified?: string;
  /** Breaks the connection after that many bytes. */
  breaksAfter?: number;
  /** Answers requests for a range with the whole file. */
  ranges?: boolean;
  /** Takes no notice of If-Range. */
  ignoresIfRange?: boolean;
  /** Answers nothing more after that many bytes. */
  stallsAfter?: number;
  /** Leaves out Content-Length. */
  chunked?: boolean;
  status?: number;
}

/** Runs `body` with a server of one file, whose manners can be changed on the way, and a fresh folder. */
async function serving(
  manners: Manners,
  body: (
    use: { url: string; dir: string; path: string; ranges: (string | null)[]; conditions: (string | null)[] },
  ) => Promise<void>,
): Promise<void> {
  const ranges: (string | null)[] = [], conditions: (string | null)[] = [], dir = await Deno.makeTempDir();
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {}, onError }, ({ headers }) => {
    ranges.push(headers.get("range"));
    conditions.push(headers.get("if-range"));
    const { body = content, etag, lastModified, breaksAfter, stallsAfter, chunked, status } = manners;
    if (status) return new Response("no", { status });
    const validator = etag ?? lastModified, asked = headers.get("if-range");
    const same = asked === null || asked === validator || manners.ignoresIfRange;
    const range = manners.ranges !== false && same && /^bytes=(\d+)-$/.exec(headers.get("range") ?? "");
    const start = range ? Number(range[1]) : 0;
    const answer = new Headers({ ...etag && { etag }, ...lastModified && { "last-modified": lastModified } });
    if (start >= body.length) {
      answer.set("content-range", `bytes */${body.length}`);
      return new Response(null, { status: 416, headers: answer });
    }
    if (range) answer.set("content-range", `bytes ${start}-${body.length - 1}/${body.length}`);
    if (!chunked) answer.set("content-length", String(body.length - start));
    const stop = Math.min(breaksAfter ?? Infinity, stallsAfter ?? Infinity);
    const stream = new ReadableStream<Uint8Array>({
      async start(controller) {
        controller.enqueue(body.subarray(start, Math.min(start + stop, body.length)));
        await new Promise<void>((resolve) => setTimeout(resolve, 5)); // so that they leave the server
        if (start + stop >= body.length) controller.close();
        else if (breaksAfter !== undefined) controller.error(new Error("broken on purpose"));
      },
    });
    return new Response(stream, { status: range ? 206 : 200, headers: answer });
  });
  try {
    await body({ url: `http://127.0.0.1:${server.addr.port}/file`, dir, path: `${dir}/file.bin`, ranges, conditions });
  } finally {
    await server.shutdown();
    await Deno.remove(dir, { recursive: true });
  }
}

const onError = () => new Response("broken", { status: 500 });
const names = (dir: string) => [...Deno.readDirSync(dir)].map(({ name }) => name).sort();
const soon: DownloadOptions = { retryDelay: 1 };

/** Downloads until at least `bytes` are there, and stops as somebody would who presses Ctrl-C. */
async function stopAfter(bytes: number, url: string, path: string, options: DownloadOptions = {}): Promise<number> {
  const stop = new AbortController();
  let there = 0;
  const onProgress = (progress: { bytes: number }) => {
    there = progress.bytes;
    if (there >= bytes) stop.abort(new Error("stopped"));
  };
  await assertRejects(() => downloadFile(url, path, { ...soon, ...options, onProgress, signal: stop.signal }));
  return there;
}

Deno.test("a file is downloaded, checked, and not fetched again", async () => {
  await serving({}, async ({ url, dir, ranges }) => {
    const path = `${dir}/new/folder/file.bin`, seen: number[] = [];
    const options: DownloadOptions = {
      sha256,
      size: content.length,
      onProgress: ({ bytes, total }) => {
        seen.push(bytes);
        assertEquals(total, content.length);
      },
    };
    await downloadFile(url, path, options);
    assertEquals(await Deno.readFile(path), content);
    assertEquals(seen.at(-1), content.length);
    assertEquals(names(`${dir}/new/folder`), ["file.bin"]);
    await downloadFile(url, path, options);
    await downloadFile(url, path);
    assertEquals(ranges, [null]);
    await Deno.writeFile(path, content.slice(1)); // damaged, so it is fetched again
    await downloadFile(url, path, options);
    assertEquals(await Deno.readFile(path), content);
  });
});

Deno.test("a connection that breaks every few kilobytes is taken up where it broke", async () => {
  await serving({ etag: '"one"', breaksAfter: 7000 }, async ({ url, path, ranges, dir }) => {
    await downloadFile(url, path, { ...soon, sha256 });
    assertEquals(await Deno.readFile(path), content);
    assertEquals(ranges.length, 15);
    assertEquals(ranges.slice(0, 3), [null, "bytes=7000-", "bytes=14000-"]);
    assertEquals(names(dir), ["file.bin"]);
  });
});

Deno.test("a download that was stopped goes on in another run", async () => {
  for (const validator of [{ etag: '"one"' }, { lastModified: "Mon, 01 Jan 2024 00:00:00 GMT" }]) {
    await serving({ ...validator, breaksAfter: 30_000 }, async ({ url, path, dir, ranges, conditions }) => {
      const there = await stopAfter(30_000, url, path);
      assertEquals(names(dir), ["file.bin.part", "file.bin.part.info"]);
      await downloadFile(url, path, soon);
      assertEquals(await Deno.readFile(path), content);
      assertEquals(ranges[1], `bytes=${there}-`);
      assertEquals(conditions[1], Object.values(validator)[0]);
      assertEquals(names(dir), ["file.bin"]);
    });
  }
});

Deno.test("a file that changed in between is begun anew", async () => {
  const other = content.map((byte) => byte ^ 255);
  for (const ignoresIfRange of [false, true]) {
    const manners: Manners = { etag: '"one"', breaksAfter: 30_000, ignoresIfRange };
    await serving(manners, async ({ url, path, ranges }) => {
      await stopAfter(30_000, url, path);
      Object.assign(manners, { body: other, etag: '"two"' });
      await downloadFile(url, path, soon);
      assertEquals(await Deno.readFile(path), other);
      assertEquals(ranges[1], "bytes=30000-");
    });
  }
});

Deno.test("without ranges, or without anything that names the version, a download begins anew", async () => {
  for (const manners of [{ etag: '"one"', ranges: false }, { etag: 'W/"weak"' }] as Manners[]) {
    manners.breaksAfter = 30_000;
    await serving(manners, async ({ url, path, ranges }) => {
      await stopAfter(30_000, url, path);
      manners.breaksAfter = undefined;
      await downloadFile(url, path, soon);
      assertEquals(await Deno.readFile(path), content);
      assertEquals(ranges[1], manners.ranges === false ? "bytes=30000-" : null);
    });
  }
});

Deno.test("without a validator the hash decides: pieces of two versions are found out and fetched again", async () => {
  const manners: Manners = { breaksAfter: 30_000, body: content.map((byte) => byte ^ 255) };
  await serving(manners, async ({ url, path, ranges }) => {
    await stopAfter(30_000, url, path, { sha256 });
    Object.assign(manners, { body: content, breaksAfter: undefined });
    await downloadFile(url, path, { ...soon, sha256 });
    assertEquals(await Deno.readFile(path), content);
    assertEquals(ranges, [null, "bytes=30000-", null]);
  });
});

Deno.test("a download that had ended but was not renamed needs no further byte", async () => {
  await serving({ etag: '"one"' }, async ({ url, path, ranges }) => {
    await Deno.writeFile(`${path}.part`, content);
    await Deno.writeTextFile(`${path}.part.info`, JSON.stringify({ url, validator: '"one"' }));
    await downloadFile(url, path, { ...soon, sha256 });
    assertEquals(await Deno.readFile(path), content);
    assertEquals(ranges, ["bytes=100000-"]);
  });
});

Deno.test("a file with another hash is refused and not kept; another length is refused before it is fetched", async () => {
  await serving({}, async ({ url, path, dir }) => {
    const wrong = "0".repeat(64);
    await assertRejects(
      () => downloadFile(url, path, { ...soon, sha256: wrong }),
      WeftError,
      `sent 100000 bytes with SHA-256 ${sha256} instead of ${wrong}`,
    );
    assertEquals(names(dir), []);
    await assertRejects(
      () => downloadFile(url, path, { ...soon, size: 99 }),
      WeftError,
      "has 100000 bytes instead of 99",
    );
    assertEquals(names(dir).includes("file.bin"), false);
  });
});

Deno.test("what a server refuses is said at once, and what it cannot do now is tried again", async () => {
  const manners: Manners = { status: 404 };
  await serving(manners, async ({ url, path, ranges }) => {
    await assertRejects(() => downloadFile(url, path, soon), WeftError, "answers 404 Not Found");
    assertEquals(ranges.length, 1);
    manners.status = 503;
    const error = await assertRejects(() => downloadFile(url, path, soon), WeftError, "breaks off again and again");
    assertStringIncludes(error.message, "it answers 503");
    assertEquals(ranges.length, 7);
  });
});

Deno.test("a server that falls silent is given up, and one that is not there is said to be out of reach", async () => {
  await serving({ etag: '"one"', stallsAfter: 40_000 }, async ({ url, path, ranges }) => {
    await downloadFile(url, path, { ...soon, timeout: 100, sha256 });
    assertEquals(await Deno.readFile(path), content);
    assertEquals(ranges, [null, "bytes=40000-", "bytes=80000-"]);
  });
  const dir = await Deno.makeTempDir();
  const error = await assertRejects(
    () => downloadFile("http://127.0.0.1:9/file", `${dir}/file`, soon),
    WeftError,
    "http://127.0.0.1:9/file cannot be reached",
  );
  assertStringIncludes(error.message, "is there a network?");
  await Deno.remove(dir, { recursive: true });
});

Deno.test("a body without a length is taken to its end", async () => {
  await serving({ chunked: true }, async ({ url, path }) => {
    await downloadFile(url, path, soon);
    assertEquals(await Deno.readFile(path), content);
  });
});

Deno.test("a full disk is said", async () => {
  await serving({}, async ({ url, dir }) => {
    await Deno.symlink("/dev/full", `${dir}/full.part`); // which no permission but all of them lets open
    const program = `import { downloadFile } from ${JSON.stringify(import.meta.resolve("../train/download.ts"))};
      await downloadFile(${JSON.stringify(url)}, ${
      JSON.stringify(`${dir}/full`)
    }).catch((e) => console.log(String(e)));`;
    const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["eval", program], cwd: root }).output();
    assertStringIncludes(new TextDecoder().decode(stdout), `WeftError: The disk is full: ${dir}/full is kept`);
  });
});

Deno.test("a folder that is a file is said, and two downloads of one file do not mix", async () => {
  await serving({ stallsAfter: 40_000 }, async ({ url, path, dir }) => {
    await Deno.writeTextFile(`${dir}/in the way`, "");
    await assertRejects(
      () => downloadFile(url, `${dir}/in the way/file`, soon),
      WeftError,
      "in the way/file cannot be written",
    );
    await assertRejects(() => downloadFile(url, dir, soon), WeftError, "is a directory");
    const stop = new AbortController(), started = Promise.withResolvers<void>();
    const first = downloadFile(url, path, { ...soon, signal: stop.signal, onProgress: () => started.resolve() });
    await started.promise;
    await assertRejects(() => downloadFile(url, path, soon), WeftError, "is being written by another download");
    stop.abort(new Error("stopped"));
    await assertRejects(() => first, Error, "stopped");
  });
});
