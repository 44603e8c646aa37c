import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { runTask, startTask } from "./_program.ts";

const flags = [
  "--dataset=text.txt",
  ...["--n_layer=1", "--n_head=2", "--n_embd=8", "--block_size=8", "--batch_size=2", "--tune=off"],
  ...["--eval_iters=1", "--sample_tokens=0", "--dropout=0.1", "--eval_interval=2", "--log_interval=1"],
];

/** Runs `body` in a folder of its own that holds a text. */
async function inFolder(body: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "weft test " });
  try {
    await Deno.writeTextFile(`${dir}/text.txt`, "All work and no play makes Jack a dull boy.\n".repeat(30));
    await body(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const names = (dir: string) => [...Deno.readDirSync(dir)].map(({ name }) => name).sort();

Deno.test("every k-th checkpoint is kept, and a damaged newest one is told of, set aside and trained again", async () => {
  await inFolder(async (dir) => {
    const trained = await runTask("train", [...flags, "--max_iters=8", "--keep=2"], dir);
    assertEquals(trained.code, 0, trained.stderr);
    assertEquals(names(`${dir}/out`).filter((name) => name !== "best"), [
      "last",
      "last.old",
      "step_000004",
      "step_000008",
    ]);
    const whole = await Deno.readFile(`${dir}/out/last/optimizer.safetensors`), flipped = whole.slice();
    assertEquals(await Deno.readFile(`${dir}/out/step_000008/optimizer.safetensors`), whole);
    flipped[flipped.length >> 1] ^= 4;
    await Deno.writeFile(`${dir}/out/last/optimizer.safetensors`, flipped);
    await Deno.rename(`${dir}/out`, `${dir}/moved`);
    const resumed = await runTask("train", ["--init_from=resume", "--out_dir=moved"], dir);
    assertEquals(resumed.code, 0, resumed.stderr);
    assertStringIncludes(
      resumed.stdout,
      "warning: moved/last/optimizer.safetensors is damaged: its contents do not have their checksum; " +
        "going on from the checkpoint before it, the damaged one is kept as moved/last.damaged",
    );
    assertStringIncludes(resumed.stdout, "resuming after step 6");
    assertEquals(await Deno.readFile(`${dir}/moved/last/optimizer.safetensors`), whole);
    assertEquals(await Deno.readFile(`${dir}/moved/last.damaged/optimizer.safetensors`), flipped);
    assertEquals(names(dir).includes("out"), false);
  });
});

Deno.test("a second process on the same out_dir is refused, and a lock does not outlive its process", async () => {
  await inFolder(async (dir) => {
    const child = await startTask("train", [...flags, "--max_iters=1000000", "--lr_decay_iters=1000000"], dir);
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let stdout = "";
    while (!/^step 4: /m.test(stdout)) {
      const { value, done } = await reader.read();
      assert(!done, stdout);
      stdout += value;
    }
    for (const more of [["--init_from=resume"], ["--overwrite=true"], []]) {
      const { code, stderr } = await runTask("train", [...flags, ...more], dir);
      assertEquals(code, 1);
      assertStringIncludes(stderr, "error: out is being written by another process");
      assertEquals(stderr.trim().split("\n").length, 1, stderr);
    }
    child.kill("SIGKILL");
    await Promise.all([child.status, reader.cancel(), child.stderr.cancel()]);
    assert(names(`${dir}/out`).includes(".lock"));
    const after = await runTask("train", ["--init_from=resume", "--max_iters=4"], dir);
    assertEquals([after.code, after.stderr], [0, ""]);
    assertEquals(names(`${dir}/out`).includes(".lock"), false);
  });
});

Deno.test("a run begins from the model of another, with a shorter block_size, and wrong wishes are one line", async () => {
  await inFolder(async (dir) => {
    const first = await runTask("train", [...flags, "--max_iters=2", "--out_dir=first"], dir);
    assertEquals(first.code, 0, first.stderr);
    const begin = ["--dataset=text.txt", "--batch_size=2", "--eval_iters=1", "--sample_tokens=0", "--max_iters=2"];
    const small = [...begin, "--tune=off", "--init_from=first", "--out_dir=second", "--block_size=4", "--dropout=0"];
    const second = await runTask("train", small, dir);
    assertEquals(second.code, 0, second.stderr);
    assertStringIncludes(second.stdout, "going on from the model in first/best");
    assertStringIncludes(second.stdout, "n_layer 1, n_head 2, n_embd 8, block_size 4");
    const state = JSON.parse(await Deno.readTextFile(`${dir}/second/last/trainer_state.json`));
    assertEquals([state.config.dropout, state.config.n_embd, state.loader_position], [0, 8, 2]);
    const cases: [string[], string][] = [
      [["--init_from=nowhere"], 'init_from is "nowhere": it must be scratch, resume, gpt2,'],
      [["--init_from=gpt2"], "models/gpt2 holds no model: get it with `deno task get gpt2`"],
      [["--init_from=first", "--block_size=9"], "block_size 9 is more; it can be cropped only"],
      [["--init_from=first", "--n_embd=16"], "first/best holds a model with n_embd 8, and 16 is asked for"],
    ];
    for (const [args, message] of cases) {
      const { code, stderr } = await runTask("train", [...begin, ...args], dir);
      assertEquals([code, stderr.trim().split("\n").length], [1, 1], stderr);
      assertStringIncludes(stderr, message);
    }
    assertEquals(names(dir).includes("out"), false);
  });
});

Deno.test("a disk without room and a folder that may not be written are one clear line, and what was there stays", async () => {
  await inFolder(async (dir) => {
    assertEquals((await runTask("train", [...flags, "--max_iters=2", "--out_dir=run"], dir)).code, 0);
    const before = await Deno.readFile(`${dir}/run/last/model.safetensors`);
    // No file may become longer than 2 or 4 KB, as the shell counts: the weights are.
    const limit = 'trap "" XFSZ; ulimit -f 4', more = ["--init_from=resume", "--max_iters=6", "--out_dir=run"];
    const train = await startTask("train", more, dir, {}, { before: limit });
    const { code, stderr } = await train.output();
    const text = new TextDecoder().decode(stderr);
    assertEquals([code, text.trim().split("\n").length], [1, 1], text);
    assertStringIncludes(text, "error: run/best cannot be written, and what was there is as it was: File too large");
    assertEquals(await Deno.readFile(`${dir}/run/last/model.safetensors`), before);
    assertEquals(names(`${dir}/run`), ["best", "last"]);
    const refused = await runTask("train", [...flags, "--out_dir=/proc/run"], dir);
    assertEquals([refused.code, refused.stderr.trim().split("\n").length], [1, 1], refused.stderr);
    assertStringIncludes(refused.stderr, "error: /proc/run cannot be made");
  });
});
