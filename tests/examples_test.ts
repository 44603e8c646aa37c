import { assertEquals } from "@std/assert";
import { root, runTask } from "./_program.ts";

async function runExample(name: string, ...args: string[]): Promise<string[]> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--allow-read", `${root}/examples/${name}`, ...args],
    env: { NO_COLOR: "1" },
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trim().split("\n");
}

const last = (lines: string[], pattern: RegExp) =>
  lines.map((line) => pattern.exec(line)).findLast((match) => match !== null)!;

const lossOf = (lines: string[], what: string) => Number(last(lines, new RegExp(`^${what}: loss ([\\d.]+)$`))[1]);

/** −Σ p ln p of the characters of a text. */
function entropyOf(text: string): number {
  const counts = new Map<string, number>();
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
  const shares = [...counts.values()].map((count) => count / [...text].length);
  return -shares.reduce((sum, share) => sum + share * Math.log(share), 0);
}

Deno.test("the course begins with the characters of any text", async () => {
  for (const path of [undefined, "LICENSE", "README.md"]) {
    const lines = await runExample("course_1_characters.ts", ...path ? [`${root}/${path}`] : []);
    const text = await Deno.readTextFile(path ? `${root}/${path}` : `${root}/examples/jack.txt`);
    assertEquals(lines.includes("decode(encode(text)) is the text: true"), true);
    assertEquals(last(lines, /^vocabulary: (\d+) characters/)[1], String(new Set(text).size));
    const word = last(lines, /^encode\((".*")\) = /)[1];
    assertEquals(last(lines, /^decode\(.*\) = (".*")$/)[1], word);
    assertEquals(lossOf(lines, "guessing at random"), Number(Math.log(new Set(text).size).toFixed(4)));
    assertEquals(lossOf(lines, "guessing by frequency"), Number(entropyOf(text).toFixed(4)));
  }
});

Deno.test("the course cuts a text into batches", async () => {
  const lines = await runExample("course_2_batches.ts");
  const [, train, validation] = last(lines, /^(\d+) tokens to learn from, (\d+) to validate on$/).map(Number);
  const { length } = await Deno.readTextFile(`${root}/examples/jack.txt`);
  assertEquals([train, validation], [Math.floor(0.9 * length), length - Math.floor(0.9 * length)]);
  const rows = lines.flatMap((line) => [.../^ {2}x (".*?") +y (".*?") +x in/.exec(line)?.slice(1) ?? []]).map((row) =>
    JSON.parse(row)
  );
  assertEquals(rows.length, 8);
  for (let i = 0; i < 8; i += 2) assertEquals(rows[i + 1].slice(0, -1), rows[i].slice(1));
  const tasks = lines.flatMap((line) => [.../^ {2}after (".*?") +comes (".*")$/.exec(line)?.slice(1) ?? []]).map((
    part,
  ) => JSON.parse(part));
  assertEquals(tasks.length, 16);
  assertEquals(tasks.at(-2) + tasks.at(-1), rows[0] + rows[1].at(-1));
  assertEquals(lines.includes("batch 1000, drawn anew: the same"), true);
  const covered = (order: string) => Number(last(lines, new RegExp(`, ${order}, .* cover ([\\d.]+) %$`))[1]);
  assertEquals(covered("permutation") > 99, true);
  assertEquals(Math.abs(covered("random") - 63.2) < 5, true);
});

Deno.test("the course's bigram model learns what counting pairs finds", async () => {
  const lines = await runExample("course_3_bigram.ts"), counted = lossOf(lines, "counting pairs");
  assertEquals(Math.abs(lossOf(lines, "step 0") - lossOf(lines, "guessing at random")) < 0.01, true);
  assertEquals(lossOf(lines, "guessing at random") - counted > 1.5, true);
  assertEquals(Math.abs(lossOf(lines, "on the text that it learned") - counted) < 0.03, true, lines.join("\n"));
  const written = (when: string) => JSON.parse(last(lines, new RegExp(`^${when} training it writes: (".*")$`))[1]);
  assertEquals(written("before") === written("after"), false);
  assertEquals(/^\S{12}/.test(written("after")), false); // words have ends
});

Deno.test("the course's GPT gets far below the best bigram model", async () => {
  const [lines, before] = [await runExample("course_4_gpt.ts"), await runExample("course_3_bigram.ts")];
  const counted = lossOf(before, "counting pairs");
  assertEquals(counted - lossOf(lines, "on the text that it learned") > 0.6, true, lines.join("\n"));
  assertEquals(counted - lossOf(lines, "on unseen text") > 0.6, true, lines.join("\n"));
  const written = JSON.parse(last(lines, /^it writes: (".*")$/)[1]) as string;
  const words = new Set((await Deno.readTextFile(`${root}/examples/jack.txt`)).match(/\w+/g));
  const known = written.match(/\w+/g)!.filter((word) => words.has(word)).length / written.match(/\w+/g)!.length;
  assertEquals(known > 0.3, true, written);
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
    "course_1_characters.ts",
    "course_2_batches.ts",
    "course_3_bigram.ts",
    "course_4_gpt.ts",
    "jack.txt",
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
