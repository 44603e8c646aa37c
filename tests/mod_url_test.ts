import { assertEquals } from "@std/assert";
import { root } from "./_program.ts";

Deno.test("mod.ts can be imported from a plain file server, with no import map, to train a GPT in 20 lines", async () => {
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    const path = new URL(request.url).pathname;
    if (path.includes("..")) return new Response(null, { status: 400 });
    try {
      const type = path.endsWith(".ts") ? "application/typescript" : "text/plain";
      return new Response(await Deno.readFile(root + path), { headers: { "content-type": type } });
    } catch {
      return new Response(null, { status: 404 });
    }
  });
  const dir = await Deno.makeTempDir();
  const program = `
import { AdamW, backward, Batches, CharTokenizer, crossEntropy, Gpt, Gpu, Scope, tensor } from "http://127.0.0.1:${server.addr.port}/mod.ts";

const text = "to be, or not to be, that is the question: ".repeat(20);
const tokenizer = CharTokenizer.fromText(text);
const batches = new Batches(tokenizer.encode(text), { batchSize: 8, blockSize: 16, seed: 1 });
using gpu = await Gpu.open();
const size = { n_layer: 1, n_head: 2, n_embd: 32, block_size: 16, vocab_size: tokenizer.vocabSize };
const model = new Gpt(gpu, size, { seed: 1 });
const optimizer = new AdamW(model.parameters());
const losses: number[] = [];
for (let step = 0; step < 40; step++) {
  using _ = new Scope(gpu, { grad: true });
  const { x, y } = batches.at(step);
  const loss = crossEntropy(model.forward(tensor(gpu, x, [8, 16])), tensor(gpu, y, [8, 16]));
  backward(loss);
  optimizer.step({ lr: 1e-2 });
  losses.push(await loss.item());
}
console.log(JSON.stringify(losses));
`;
  await Deno.writeTextFile(`${dir}/program.ts`, program);
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--check", "--no-config", `--allow-import=127.0.0.1:${server.addr.port}`, "program.ts"],
    cwd: dir,
    env: { DENO_DIR: `${dir}/cache`, NO_COLOR: "1" },
  }).output();
  await server.shutdown();
  await Deno.remove(dir, { recursive: true });
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  const losses = JSON.parse(new TextDecoder().decode(stdout)) as number[];
  assertEquals(losses.length, 40);
  assertEquals(losses[39] < losses[0] - 1, true, `${losses[0]} → ${losses[39]}`);
});
