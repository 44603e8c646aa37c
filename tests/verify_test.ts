import { assertEquals, assertStringIncludes } from "@std/assert";
import { root, runTask } from "./_program.ts";

const fixtures = ["gpt_bias_tanh", "gpt_nobias_erf"].map((name) => `${root}/tests/fixtures/${name}`);

for (const fixture of fixtures) {
  Deno.test(`the GPT computes what PyTorch computed: ${fixture.split("/").at(-1)}`, async () => {
    const { code, stdout, stderr } = await runTask("verify", ["--fixture", fixture, "--json"]);
    assertEquals(code, 0, stderr);
    const { passed, rows } = JSON.parse(stdout) as {
      passed: boolean;
      rows: { name: string; error: number; tolerance: number }[];
    };
    assertEquals(passed, true);
    const { parameters } = JSON.parse(await Deno.readTextFile(`${fixture}/expected.json`)) as {
      parameters: number;
    };
    assertEquals(parameters > 0, true);
    // logits, ten losses, and a gradient and a final value of each parameter
    const names = rows.map(({ name }) => name);
    assertEquals(names.filter((name) => name.startsWith("loss ")).length, 10);
    assertEquals(
      names.filter((name) => name.startsWith("grad.")).length,
      names.filter((name) => name.startsWith("final.")).length,
    );
    assertEquals(rows.every(({ error, tolerance }) => error <= tolerance && tolerance <= 5e-4), true);
  });
}

for (const [i, fixture] of fixtures.entries()) {
  Deno.test(`float16 stays within its own tolerances: ${fixture.split("/").at(-1)}`, async () => {
    const args = [`--fixture=${fixture}`, "--dtype=float16", ...i === 0 ? ["--product=workgroup 2×1"] : [], "--json"];
    const { code, stdout, stderr } = await runTask("verify", args);
    assertEquals([code, stderr], [0, ""]);
    const { rows } = JSON.parse(stdout) as { rows: { name: string; error: number }[] };
    assertEquals(rows.length > 40, true);
    assertEquals(rows.find(({ name }) => name === "logits")!.error > 1e-4, true); // else nothing was float16
  });
}

const forced = [
  ["registers", "blocks"],
  ["quads", "blocks, shuffled"],
  ["vector", "blocks"],
  ["vector, shared", "rows"],
  ["workgroup 1×1", "tiles"],
  ["workgroup 2×2", "rows"],
  ["workgroup 1×1, 4 parts", "blocks"],
];
for (const [i, [product, attention]] of forced.entries()) {
  Deno.test(`the GPT computes the same with products by ${product} and attention by ${attention}`, async () => {
    const rows = i % 2 === 0 ? "shared" : "single";
    const args = [
      `--fixture=${fixtures[i % 2]}`,
      `--rows=${rows}`,
      `--product=${product}`,
      `--attention=${attention}`,
      ...product === "quads" ? ["--loads=texels"] : [],
      "--json",
    ];
    const { code, stdout, stderr } = await runTask("verify", args);
    assertEquals([code, stderr], [0, ""]);
    assertEquals(JSON.parse(stdout).rows.length > 40, true);
  });
}

Deno.test("a way that does not exist is an error that names those that do", async () => {
  const { code, stderr } = await runTask("verify", [`--fixture=${fixtures[0]}`, "--product=magic"]);
  assertEquals(code, 1);
  assertStringIncludes(stderr, "it must be one of registers, ");
});

Deno.test("verify fails when a kernel is wrong by a little", async () => {
  const dir = await Deno.makeTempDir();
  const source = await Deno.readTextFile(`${root}/shaders/norm.wgsl`);
  await Deno.writeTextFile(`${dir}/norm.wgsl`, source.replaceAll("+ p.eps)", "+ 3.0 * p.eps)"));
  const { code, stdout, stderr } = await runTask("verify", [`--fixture=${fixtures[0]}`, `--shaders=${dir}`]);
  assertEquals(code, 1);
  assertStringIncludes(stdout, "FAILED");
  assertStringIncludes(stderr, "error: logits and ");
  await Deno.remove(dir, { recursive: true });
});

Deno.test("a folder that is no fixture is an error", async () => {
  const { code, stderr } = await runTask("verify", [`--fixture=${root}/shaders`]);
  assertEquals([code, stderr.startsWith("error: ")], [1, true]);
  assertStringIncludes((await runTask("verify", [])).stderr, "--fixture is missing");
});
