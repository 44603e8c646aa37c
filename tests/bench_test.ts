import { assertAlmostEquals, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Gpu } from "../mod.ts";
import { attentionCase, boundOf, matmulCase, stepCase } from "../cli/bench_cases.ts";
import { Peer } from "../cli/peers.ts";
import { runTask } from "./_program.ts";

const peaks = { flops: 1e9, bandwidth: 1e8, launch: 1e-3 };

Deno.test("a bound adds what is slower, operations or bytes, and the launches", () => {
  const compute = { kernel: "a", flops: 4e9, bytes: 1e8 }, memory = { kernel: "b", flops: 0, bytes: 3e8 };
  assertAlmostEquals(boundOf([compute, memory], peaks), 4 + 3 + 2e-3, 1e-9);
});

Deno.test("cases measure real work and give their memory back", async () => {
  using gpu = await Gpu.open();
  const before = gpu.memory.bytesInUse;
  const product = matmulCase(gpu, peaks, [64, 48, 32], { layout: "NT", dtype: "f32" });
  assertEquals(product.flops, 2 * 64 * 48 * 32);
  assertAlmostEquals(product.bound, 4 * (64 * 48 + 64 * 32 + 48 * 32) / 1e8 + 1e-3, 1e-6); // memory is slower here
  assertEquals(await product.seconds() > 0, true);
  product.close();
  const half = matmulCase(gpu, peaks, [64, 48, 32], { layout: "NT", dtype: "f16" });
  assertEquals(await half.seconds() > 0 && half.bound < product.bound, true);
  half.close();
  const model = { n_layer: 1, n_head: 1, n_embd: 8, block_size: 4, vocab_size: 5 };
  for (const dtype of ["f32", "f16"] as const) {
    const step = stepCase(gpu, peaks, { name: "tiny", model, batchSize: 2 }, dtype);
    assertEquals(step.tokens, 8);
    assertEquals(await step.seconds() > 0, true);
    step.close();
  }
  assertEquals(gpu.memory.bytesInUse, before);
});

Deno.test("attention is measured with all of its kernels, whichever they are", async () => {
  using gpu = await Gpu.open();
  const peaks = { flops: 1e9, bandwidth: Infinity, launch: 0 };
  for (const attention of ["rows", "materialized"] as const) {
    gpu.forced = { attention };
    const once = attentionCase(gpu, peaks, { B: 2, T: 64, H: 2, D: 16 }, "f32");
    // Kernels that are left out would take their operations with them.
    assertEquals(once.bound > once.flops! / peaks.flops, true, `${attention}: ${once.bound}`);
    once.close();
  }
});

Deno.test("bench prints its sections, and as JSON", async () => {
  const dir = await Deno.makeTempDir();
  const args = ["peaks", "generate", "--longest=0.02", "--repeats=2", "--tune=off"];
  const plain = await runTask("bench", args, dir);
  assertEquals(plain.code, 0, plain.stderr);
  for (const word of ["multiply-add", "generate", "left out: it cannot take less than"]) {
    assertStringIncludes(plain.stdout, word);
  }
  const { code, stdout } = await runTask(
    "bench",
    ["generate", "--repeats=2", "--longest=0.1", "--tune=off", "--json"],
    dir,
  );
  const { rows, omitted, peaks: { flops } } = JSON.parse(stdout);
  assertEquals([code, flops > 1e8, rows.length >= 1, rows.length + omitted.length], [0, true, true, 12]);
  for (const { seconds, timesBound, tokens } of rows) assertEquals(seconds > 0 && timesBound > 0 && tokens > 0, true);
  const unknown = await runTask("bench", ["matmull"], dir);
  assertEquals([unknown.code, unknown.stderr], [
    1,
    "error: matmull is no section: they are peaks, matmul, attention, step, generate\n",
  ]);
  await Deno.remove(dir, { recursive: true });
});

Deno.test("bench --kernels shows every kernel of a step", async () => {
  const { code, stdout } = await runTask("bench", ["--kernels"]);
  assertEquals(code, 0);
  assertMatch(stdout, /adamw(_grouped)?\.wgsl\/update/);
  for (const word of ["FLOP/s", "B/s", "× bound", "one step"]) {
    assertStringIncludes(stdout, word);
  }
});

Deno.test("peers answer over a pipe, and one that is missing or fails says why", async () => {
  const program = (body: string) => [
    "eval",
    `
    const reply = (value) => console.log(JSON.stringify(value));
    let rest = "";
    for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
      rest += text;
      for (let at; (at = rest.indexOf("\\n")) >= 0; rest = rest.slice(at + 1)) {
        const request = JSON.parse(rest.slice(0, at));
        ${body}
      }
    }`,
  ];
  const good = await Peer.start(
    Deno.execPath(),
    program(
      `if (request.op === "hello") reply({ name: "echo 1" });
     else if (request.op === "matmul") reply({ ms: Array(request.repeats).fill(request.m) });
     else reply({ error: "cannot " + request.op });`,
    ),
  );
  assertEquals(good instanceof Peer, true);
  if (!(good instanceof Peer)) return;
  assertEquals(good.name, "echo 1");
  assertEquals(await good.measure({ op: "matmul", m: 1500 }, 2), [1.5, 1.5]);
  assertEquals(await good.measure({ op: "fly" }, 1), "cannot fly");
  await good.close();
  const mute = await Peer.start(Deno.execPath(), ["eval", ""]);
  assertStringIncludes(String(mute), "ended without an answer");
  assertEquals(typeof await Peer.start("/nowhere/python", ["x"]), "string");
});
