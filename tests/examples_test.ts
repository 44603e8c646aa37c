import { assertEquals } from "@std/assert";
import { root, runTask } from "./_program.ts";

async function runExample(name: string): Promise<string[]> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--allow-read", `${root}/examples/${name}`],
    env: { NO_COLOR: "1" },
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trim().split("\n");
}

const last = (lines: string[], pattern: RegExp) =>
  lines.map((line) => pattern.exec(line)).findLast((match) => match !== null)!;

Deno.test("examples/bigram.ts learns what counting pairs finds", async () => {
  const lines = await runExample("bigram.ts");
  const trained = Number(last(lines, /^step \d+: loss ([\d.]+)/)[1]),
    counted = Number(last(lines, /^counting pairs: loss ([\d.]+)/)[1]);
  assertEquals(Math.abs(trained - counted) < 0.1, true, lines.join("\n"));
});

Deno.test("examples/mlp.ts tells the arms of the spiral apart", async () => {
  const [, correct, of] = last(await runExample("mlp.ts"), /^(\d+) of (\d+) points/);
  assertEquals(Number(correct) >= 0.95 * Number(of), true, `${correct} of ${of}`);
});

Deno.test("examples/rnn.ts learns to add", async () => {
  const [, right, of] = last(await runExample("rnn.ts"), /^(\d+) of (\d+) bits/);
  assertEquals(Number(right) >= 0.99 * Number(of), true, `${right} of ${of}`);
});

Deno.test("every example is run by a test", async () => {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(`${root}/examples`)) names.push(name);
  assertEquals(names.sort(), [
    "bigram.ts",
    "mlp.ts",
    "rnn.ts",
    "shakespeare_cpu.yaml",
    "shakespeare_gpu.yaml",
  ]);
});

for (const name of ["shakespeare_cpu", "shakespeare_gpu"]) {
  Deno.test(`examples/${name}.yaml trains`, async () => {
    const dir = await Deno.makeTempDir();
    await Deno.writeTextFile(`${dir}/text.txt`, "Now is the winter of our discontent\n".repeat(120));
    // Its sizes are for hours; a step of a smaller one shows that the file is read.
    const { code, stdout, stderr } = await runTask("train", [
      `${root}/examples/${name}.yaml`,
      ...[
        "--dataset=text.txt",
        "--max_iters=2",
        "--n_layer=1",
        "--n_embd=48",
        "--batch_size=2",
        "--eval_iters=1",
      ],
      "--sample_tokens=0",
    ], dir);
    assertEquals(code, 0, stderr);
    assertEquals(stdout.includes("step 2: train loss"), true, stdout);
    await Deno.remove(dir, { recursive: true });
  });
}
