import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { getCommand } from "../cli/get.ts";
import { Progress } from "../cli/progress.ts";
import { WeftError } from "../mod.ts";

const revision = "607a30d783dfa663caf39e06633721c8d4cfcd7e";
const weights = new Uint8Array(300_000).map((_, i) => i * 7 + (i >> 9));
const repository: Record<string, Uint8Array<ArrayBuffer>> = {
  "config.json": new TextEncoder().encode('{"model_type": "gpt2"}'),
  "tokenizer.json": new TextEncoder().encode("{}"),
  "model.safetensors": weights,
  "pytorch_model.bin": new Uint8Array(5),
  "onnx/config.json": new Uint8Array(5),
};

async function hash(algorithm: string, ...parts: (string | Uint8Array<ArrayBuffer>)[]): Promise<string> {
  const bytes = await new Blob(parts).arrayBuffer();
  return new Uint8Array(await crypto.subtle.digest(algorithm, bytes)).toHex();
}

/** The hub's answer for a folder; files of 100 KB and more are stored apart. */
const tree = await Promise.all(
  Object.entries(repository).map(async ([path, bytes]) => ({
    type: "file",
    path,
    size: bytes.length,
    oid: await hash("SHA-1", `blob ${bytes.length}\0`, bytes),
    ...bytes.length < 100_000 ? {} : { lfs: { oid: await hash("SHA-256", bytes), size: bytes.length } },
  })),
);

interface Hub {
  readonly endpoint: string;
  readonly dir: string;
  readonly asked: string[];
  /** Answers of one's own, by path. */
  readonly answers: Record<string, () => Response>;
}

async function withHub(body: (hub: Hub) => Promise<void>): Promise<void> {
  const asked: string[] = [], answers: Hub["answers"] = {}, dir = await Deno.makeTempDir();
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, ({ url, headers }) => {
    const path = new URL(url).pathname, range = /^bytes=(\d+)-$/.exec(headers.get("range") ?? "");
    asked.push(path + (range ? ` from ${range[1]}` : ""));
    if (answers[path] !== undefined) return answers[path]();
    if (path === "/api/models/openai-community/gpt2/revision/main") return Response.json({ sha: revision });
    if (path === `/api/models/openai-community/gpt2/tree/${revision}`) return Response.json(tree);
    const bytes = repository[path.replace(`/openai-community/gpt2/resolve/${revision}/`, "")];
    if (bytes === undefined) return new Response("Invalid username or password.", { status: 401 });
    const from = range ? Number(range[1]) : 0, content = `bytes ${from}-${bytes.length - 1}/${bytes.length}`;
    return new Response(bytes.subarray(from), {
      status: range ? 206 : 200,
      headers: { etag: '"v1"', ...range ? { "content-range": content } : {} },
    });
  });
  try {
    await body({ endpoint: `http://127.0.0.1:${server.addr.port}`, dir, asked, answers });
  } finally {
    await server.shutdown();
    await Deno.remove(dir, { recursive: true });
  }
}

/** Runs `get` and gives what it printed. */
async function get({ dir, endpoint }: Pick<Hub, "dir" | "endpoint">, name = "gpt2"): Promise<string> {
  let printed = "";
  const progress = new Progress({ write: (text) => printed += text, columns: () => undefined });
  await getCommand([name, `--out_dir=${dir}`, `--endpoint=${endpoint}`], progress);
  return printed;
}

const files = (dir: string) => [...Deno.readDirSync(dir)].map(({ name }) => name).sort();

Deno.test("a model is downloaded into a folder of its name, checked, and then never again", async () => {
  await withHub(async (hub) => {
    const printed = await get(hub), folder = `${hub.dir}/gpt2`;
    assertStringIncludes(printed, `${folder}/model.safetensors: 300`);
    assertStringIncludes(
      printed,
      `openai-community/gpt2 at revision ${revision}; train it with: deno task train --init_from=gpt2`,
    );
    assertEquals(files(folder), ["config.json", "download.json", "model.safetensors", "tokenizer.json"]);
    assertEquals(await Deno.readFile(`${folder}/model.safetensors`), weights);
    const count = hub.asked.length;
    await get(hub);
    assertEquals(hub.asked.length, count);
    await get({ ...hub, endpoint: "http://127.0.0.1:1" }); // without a network
    // what has been damaged since is had again
    await Deno.writeFile(`${folder}/model.safetensors`, weights.slice().fill(0, 1000, 1001));
    await get(hub);
    assertEquals(await Deno.readFile(`${folder}/model.safetensors`), weights);
  });
});

Deno.test("what was interrupted goes on where it stopped, at the same revision", async () => {
  await withHub(async (hub) => {
    const path = `/openai-community/gpt2/resolve/${revision}/model.safetensors`;
    hub.answers[path] = () => new Response("no", { status: 410 });
    await assertRejects(() => get(hub), WeftError, "model.safetensors answers 410");
    delete hub.answers[path];
    await Deno.writeFile(`${hub.dir}/gpt2/model.safetensors.part`, weights.subarray(0, 123_456));
    const note = { url: hub.endpoint + path, validator: '"v1"' };
    await Deno.writeTextFile(`${hub.dir}/gpt2/model.safetensors.part.info`, JSON.stringify(note));
    hub.asked.length = 0;
    await get(hub);
    assertEquals(hub.asked, [`${path} from 123456`]); // no other question
    assertEquals(await Deno.readFile(`${hub.dir}/gpt2/model.safetensors`), weights);
  });
});

Deno.test("a file that is not what the hub lists is refused, large or small", async () => {
  await withHub(async (hub) => {
    const base = `/openai-community/gpt2/resolve/${revision}`;
    hub.answers[`${base}/config.json`] = () => new Response('{"model_type": "gpt3"}', { headers: { etag: '"v1"' } });
    await assertRejects(() => get(hub), WeftError, "config.json is not the file that the hub lists");
    assertEquals(files(`${hub.dir}/gpt2`).includes("config.json"), false);
    delete hub.answers[`${base}/config.json`];
    hub.answers[`${base}/model.safetensors`] = () => new Response(weights.slice().fill(0, 9, 10));
    await assertRejects(() => get(hub), WeftError, "instead of");
    assertEquals(files(`${hub.dir}/gpt2`).some((name) => name === "model.safetensors"), false);
  });
});

Deno.test("no network, no such model and strange answers are one clear line each", async () => {
  await withHub(async (hub) => {
    const api = "/api/models/openai-community/gpt2";
    const nowhere = await assertRejects(() => get({ ...hub, endpoint: "http://127.0.0.1:1" }), WeftError);
    assert(/^http:\/\/127.0.0.1:1\/api\/models.* cannot be reached: .*; is there a network\?$/.test(nowhere.message));
    await assertRejects(
      () => get(hub, "gpt3"),
      WeftError,
      "gpt3 is no model; did you mean gpt2?: there are gpt2, gpt2-medium",
    );
    await assertRejects(() => get(hub, "../gpt2"), WeftError, "is no model");
    await assertRejects(() => get(hub, "some/model"), WeftError, "The hub has no open repository some/model");
    const cases: [string, unknown, string][] = [
      [`${api}/revision/main`, { sha: "../x" }, "it names no revision"],
      [`${api}/revision/main`, null, "it names no revision"],
      [`${api}/tree/${revision}`, {}, "it lists no files"],
      [`${api}/tree/${revision}`, [], "openai-community/gpt2 has no config.json"],
      [`${api}/tree/${revision}`, tree.filter(({ path }) => !path.startsWith("model")), "has no safetensors"],
      [`${api}/tree/${revision}`, tree.map((file) => ({ ...file, oid: 5 })), '"config.json" with a wrong size or hash'],
      [
        `${api}/tree/${revision}`,
        tree.map((file) => ({ ...file, size: -1 })),
        '"config.json" with a wrong size or hash',
      ],
    ];
    for (const [path, answer, message] of cases) {
      hub.answers[path] = () => Response.json(answer);
      await assertRejects(() => get(hub), WeftError, message);
      delete hub.answers[path];
    }
    hub.answers[`${api}/revision/main`] = () => new Response("<html>");
    await assertRejects(() => get(hub), WeftError, "it is not JSON");
    assertEquals(files(hub.dir), []);
  });
});
