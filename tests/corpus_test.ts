import { assertEquals, assertRejects } from "@std/assert";
import { WeftError } from "../mod.ts";
import { loadCorpus } from "../train/corpus.ts";

/** Runs `body` with a server that answers every request with `body`, and counts them. */
async function serving(
  answer: () => Response,
  body: (url: string, requests: () => number, cacheDir: string) => Promise<void>,
): Promise<void> {
  let requests = 0;
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, () => {
    requests++;
    return answer();
  });
  const cacheDir = await Deno.makeTempDir();
  try {
    await body(`http://127.0.0.1:${server.addr.port}/input.txt`, () => requests, cacheDir);
  } finally {
    await server.shutdown();
    await Deno.remove(cacheDir, { recursive: true });
  }
}

const sink = () => {
  const lines: string[] = [];
  return { lines, log: (line: string) => void lines.push(line) };
};

Deno.test("a path is read as it is", async () => {
  const path = await Deno.makeTempFile();
  await Deno.writeTextFile(path, "some text\r\n");
  assertEquals(await loadCorpus(path, { cacheDir: "/nowhere", ...sink() }), {
    text: "some text\n",
    name: path,
  });
  await Deno.remove(path);
  await assertRejects(
    () => loadCorpus(path, { cacheDir: "/nowhere", ...sink() }),
    WeftError,
    "does not exist",
  );
});

Deno.test("a download with another hash is refused and not kept", async () => {
  await serving(() => new Response("not Shakespeare"), async (url, requests, cacheDir) => {
    const { log } = sink();
    await assertRejects(
      () => loadCorpus("shakespeare", { cacheDir, url, log }),
      WeftError,
      "sent 15 bytes with SHA-256",
    );
    assertEquals(requests(), 1);
    assertEquals([...Deno.readDirSync(cacheDir)], []);
  });
});

Deno.test("a text asked for by name that cannot be had is an error that says why", async () => {
  await serving(
    () => new Response("gone", { status: 404, statusText: "Not Found" }),
    async (url, _requests, cacheDir) => {
      const { log } = sink();
      await assertRejects(
        () => loadCorpus("shakespeare", { cacheDir, url, log }),
        WeftError,
        "answers 404 Not Found",
      );
    },
  );
});

Deno.test("without a network the text that Deno carries serves, and a line says why", async () => {
  const cacheDir = await Deno.makeTempDir(), { lines, log } = sink();
  const { text, name } = await loadCorpus("", { cacheDir, url: "http://127.0.0.1:9/input.txt", log });
  assertEquals(name, "deno types");
  assertEquals(text.length > 500_000 && text.includes("interface"), true);
  assertEquals(lines.length, 2);
  assertEquals(lines[1].startsWith("Tiny Shakespeare cannot be had ("), true, lines[1]);
  await Deno.remove(cacheDir, { recursive: true });
});

Deno.test("what the cache holds must have the right hash", async () => {
  await serving(() => new Response("again wrong"), async (url, requests, cacheDir) => {
    await Deno.writeTextFile(`${cacheDir}/tinyshakespeare.txt`, "damaged");
    const { log } = sink();
    await assertRejects(() => loadCorpus("shakespeare", { cacheDir, url, log }), WeftError, "SHA-256");
    assertEquals(requests(), 1); // it was not taken for the text
    assertEquals(await Deno.readTextFile(`${cacheDir}/tinyshakespeare.txt`), "damaged");
  });
});

Deno.test("a good download is kept and not fetched again", async () => {
  const text = "First Citizen:\n", bytes = new TextEncoder().encode(text);
  const sha256 = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
  await serving(() => new Response(text), async (url, requests, cacheDir) => {
    const { lines, log } = sink(), options = { cacheDir: `${cacheDir}/new`, url, sha256, log };
    assertEquals(await loadCorpus("shakespeare", options), { text, name: "Tiny Shakespeare" });
    assertEquals(lines, [`downloading Tiny Shakespeare to ${cacheDir}/new/tinyshakespeare.txt`]);
    assertEquals(await loadCorpus("", options), { text, name: "Tiny Shakespeare" });
    assertEquals([requests(), lines.length], [1, 1]);
    assertEquals([...Deno.readDirSync(`${cacheDir}/new`)].map(({ name }) => name), ["tinyshakespeare.txt"]);
  });
});

Deno.test("a wrong text that nobody asked for by name is reported, and another serves", async () => {
  await serving(() => new Response("not Shakespeare"), async (url, _requests, cacheDir) => {
    const { lines, log } = sink();
    assertEquals((await loadCorpus("", { cacheDir, url, log })).name, "deno types");
    assertEquals(lines[1].includes("sent 15 bytes with SHA-256"), true, lines[1]);
  });
});
