import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { encodeSafetensors, readSafetensorsFile } from "../mod.ts";
import { finish, inFolder, runTask, startTask } from "./_program.ts";

const text = "All work and no play makes Jack a dull boy.\n".repeat(60);
const tiny = [
  "--n_layer=1",
  "--n_head=2",
  "--n_embd=16",
  "--block_size=16",
  "--batch_size=4",
  "--eval_iters=2",
  "--sample_tokens=20",
];

const inFolderWithText = (body: (dir: string) => Promise<void>) =>
  inFolder(async (dir) => {
    await Deno.writeTextFile(`${dir}/text.txt`, text);
    await body(dir);
  });

/** Runs `body` in a folder of its own that holds a text. */
const evaluations = (stdout: string) => stdout.split("\n").filter((line) => /^step \d+: /.test(line));
const steps = (stdout: string) =>
  stdout.split("\n").filter((line) => /^step \d+ {2}loss/.test(line)).map((line) =>
    line.split("  ").slice(0, 4).join()
  );

Deno.test("train learns, saves, refuses to overwrite, and resumes as if it had never stopped; generate writes", async () => {
  await inFolderWithText(async (dir) => {
    const flags = [
      "--dataset=text.txt",
      ...tiny,
      "--eval_interval=20",
      "--log_interval=5",
      "--warmup_iters=5",
      "--lr_decay_iters=60",
      "--dropout=0.1",
    ];
    const whole = await runTask("train", [...flags, "--out_dir=whole", "--max_iters=60"], dir);
    assertEquals(whole.code, 0, whole.stderr);
    assertEquals(evaluations(whole.stdout).length, 4);
    assertEquals(steps(whole.stdout).length, 12);
    assertStringIncludes(whole.stdout, "% of peak");
    assertStringIncludes(whole.stdout, "  | "); // a sample

    const part = await runTask("train", [...flags, "--out_dir=part", "--max_iters=20"], dir);
    assertEquals(part.code, 0, part.stderr);
    const again = await runTask("train", [...flags, "--out_dir=part", "--max_iters=20"], dir);
    assertEquals(again.code, 1);
    assertStringIncludes(
      again.stderr,
      "error: part/last holds a trained model: go on with --init_from=resume",
    );

    const resumed = await runTask("train", ["--init_from=resume", "--out_dir=part", "--max_iters=60"], dir);
    assertEquals(resumed.code, 0, resumed.stderr);
    assertStringIncludes(resumed.stdout, "resuming after step 20");
    assertEquals([...steps(part.stdout), ...steps(resumed.stdout)], steps(whole.stdout));
    assertEquals([...evaluations(part.stdout), ...evaluations(resumed.stdout)], evaluations(whole.stdout));
    for (const file of ["model", "optimizer"]) {
      const [a, b] = await Promise.all(
        ["part", "whole"].map((name) => Deno.readFile(`${dir}/${name}/last/${file}.safetensors`)),
      );
      assertEquals(a, b, file);
    }

    const other = await runTask("train", ["--init_from=resume", "--out_dir=part", "--n_embd=32"], dir);
    assertEquals(other.code, 1);
    assertStringIncludes(other.stderr, "error: part/last holds a model with n_embd 16, and 32 is asked for");

    const sample = ["--out_dir=part", "--start=All w", "--max_new_tokens=30", "--num_samples=2", "--seed=7"];
    const first = await runTask("generate", sample, dir), second = await runTask("generate", sample, dir);
    assertEquals([first.code, first.stdout], [0, second.stdout], first.stderr);
    const texts = first.stdout.split("\n---------------\n");
    assertEquals(texts.length, 3);
    assertEquals(texts.slice(0, 2).map((t) => [t.startsWith("All w"), t.length]), [[true, 35], [true, 35]]);
    assertEquals(texts[0] === texts[1], false);
    await Deno.writeTextFile(`${dir}/start.txt`, "no play");
    const fromFile = await runTask("generate", [
      "--out_dir=part",
      "--start=FILE:start.txt",
      "--max_new_tokens=5",
      "--top_k=3",
    ], dir);
    assertEquals([fromFile.code, fromFile.stdout.startsWith("no play")], [0, true], fromFile.stderr);
    const unknown = await runTask("generate", ["--out_dir=part", "--start=Ümlaut"], dir);
    assertEquals(unknown.code, 1);
    assertStringIncludes(unknown.stderr, 'error: Unknown character "Ü" (U+00DC) at line 1, column 1');
  });
});

Deno.test("in float16 a run saves float32 weights and its loss scale, and resumes as if it had never stopped", async () => {
  await inFolderWithText(async (dir) => {
    const flags = ["--dataset=text.txt", ...tiny, "--eval_interval=6", "--log_interval=3", "--dtype=float16"];
    const whole = await runTask("train", [...flags, "--out_dir=whole", "--max_iters=12"], dir);
    assertEquals(whole.code, 0, whole.stderr);
    const part = await runTask("train", [...flags, "--out_dir=part", "--max_iters=6"], dir);
    assertEquals(part.code, 0, part.stderr);
    const resumed = await runTask("train", ["--init_from=resume", "--out_dir=part", "--max_iters=12"], dir);
    assertEquals(resumed.code, 0, resumed.stderr);
    assertEquals([...steps(part.stdout), ...steps(resumed.stdout)], steps(whole.stdout));
    const [weights, moments] = await Promise.all(
      ["model", "optimizer"].map((name) => readSafetensorsFile(`${dir}/whole/last/${name}.safetensors`)),
    );
    assertEquals([...weights.tensors.values()].every(({ dtype }) => dtype === "f32"), true);
    const [scale, since, skipped] = moments.tensors.get("loss_scale")!.data;
    assertEquals([scale >= 1024, since + skipped], [true, 12]);
    const generated = await runTask("generate", ["--out_dir=whole", "--max_new_tokens=5"], dir);
    assertEquals(generated.code, 0, generated.stderr);
  });
});

Deno.test("Ctrl-C saves and says how to go on", async () => {
  await inFolderWithText(async (dir) => {
    const child = await startTask("train", [
      "--dataset=text.txt",
      ...tiny,
      "--max_iters=100000",
      "--lr_decay_iters=100000",
      "--eval_interval=100000",
      "--log_interval=1",
    ], dir);
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let stdout = "";
    while (!/^step \d+ {2}loss/m.test(stdout)) {
      const { value, done } = await reader.read();
      if (done) break;
      stdout += value;
    }
    child.kill("SIGINT");
    for (let part = await reader.read(); !part.done; part = await reader.read()) stdout += part.value;
    const { code } = await child.status;
    await child.stderr.cancel();
    assertEquals(code, 130);
    const saved = /saved after step (\d+) in out\/last; go on with: deno task train --init_from=resume --out_dir=out/
      .exec(stdout);
    assertEquals(saved !== null, true, stdout);
    const state = JSON.parse(await Deno.readTextFile(`${dir}/out/last/trainer_state.json`));
    assertEquals(state.step, Number(saved![1]));
  });
});

Deno.test("bad input is one clear line with exit code 1, and nothing is written", async () => {
  await inFolderWithText(async (dir) => {
    await Deno.writeTextFile(`${dir}/empty.txt`, "");
    await Deno.writeFile(`${dir}/latin.txt`, new Uint8Array([0x61, 0xe9, 0x62]));
    await Deno.writeTextFile(`${dir}/short.txt`, "abcdefgh".repeat(3));
    await Deno.writeTextFile(`${dir}/bad.yaml`, "n_layr: 2\n");
    await Deno.writeTextFile(`${dir}/typed.yaml`, "block_size: long\n");
    await Deno.mkdir(`${dir}/shaders`);
    await Deno.writeTextFile(`${dir}/shaders/sofmax.wgsl`, "");
    const cases: [string[], string][] = [
      [["--dataset=none.txt"], "none.txt does not exist"],
      [["--dataset=empty.txt"], "empty.txt is empty"],
      [["--dataset=latin.txt"], "latin.txt is not UTF-8: the first bad byte is at offset 1"],
      [["--dataset=short.txt"], "(short.txt) has 21 tokens: block_size 64 needs at least 65"],
      [
        ["--dataset=short.txt", "--block_size=8"],
        "The text to validate on (short.txt) has 3 tokens: block_size 8 needs",
      ],
      [["--block_size=0"], "command line: block_size is 0: it must be a whole number from 1"],
      [["--n_embd=30"], "n_embd is 30, which is not divisible by n_head, 4"],
      [["--bach_size=3"], "command line: bach_size is not known; did you mean batch_size?"],
      [["bad.yaml"], "bad.yaml: n_layr is not known; did you mean n_layer?"],
      [["typed.yaml"], 'typed.yaml: block_size is "long": it must be a whole number'],
      [["none.yaml"], "none.yaml does not exist"],
      [["--dataset=text.txt", "--batch_size=100000"], "the largest batch_size that fits is"],
      [
        ["--dataset=text.txt", "--n_embd=65536", "--n_head=8"],
        "h.0.attn.c_attn.weight (65536, 196608) needs 51.5 GB in one buffer",
      ],
      [["--dataset=text.txt", "--n_layer=100000"], "(parameters, gradients and moments"],
      [["--dataset=text.txt", "--init_from=resume"], "out/last holds no checkpoint to resume from"],
      [["--dataset=text.txt", "--shaders=shaders"], "No shader is named sofmax.wgsl"],
      [["--dataset=text.txt", "--shaders=nowhere"], "nowhere cannot be read as a folder of shaders"],
      [[
        "--dataset=text.txt",
        ...tiny,
        "--learning_rate=1e30",
        "--min_lr=0",
        "--warmup_iters=0",
        "--log_interval=1",
      ], "is NaN at step"],
    ];
    for (const [args, message] of cases) {
      const { code, stderr } = await runTask("train", args, dir);
      assertEquals(code, 1, `${args}: ${stderr}`);
      const lines = stderr.trim().split("\n");
      assertEquals([lines.length, lines[0].startsWith("error: ")], [1, true], stderr);
      assertStringIncludes(lines[0], message);
    }
    assertEquals([...Deno.readDirSync(dir)].some(({ name }) => name === "out"), false);
  });
});

Deno.test("a damaged checkpoint, a folder that cannot be made and no adapter are one clear line each", async () => {
  await inFolderWithText(async (dir) => {
    const flags = [
      "--dataset=text.txt",
      ...tiny,
      "--max_iters=4",
      "--lr_decay_iters=4",
      "--warmup_iters=1",
      "--eval_interval=2",
    ];
    assertEquals((await runTask("train", [...flags, "--out_dir=run"], dir)).code, 0);
    const model = `${dir}/run/best/model.safetensors`, whole = await Deno.readFile(model);
    await Deno.writeFile(model, whole.slice(0, whole.length - 5));
    const damaged = await runTask("generate", ["--out_dir=run"], dir);
    assertEquals([damaged.code, damaged.stderr.trim().split("\n").length], [1, 1], damaged.stderr);
    assertStringIncludes(damaged.stderr, "error: run/best/model.safetensors is damaged: it has");
    await Deno.remove(`${dir}/run/best/checksums.txt`); // as a folder of another program
    await Deno.writeFile(model, encodeSafetensors(new Map()));
    assertStringIncludes((await runTask("generate", ["--out_dir=run"], dir)).stderr, "wte.weight is missing");

    // A file in the way of the folder stands for whatever keeps a checkpoint from being written.
    await Deno.writeTextFile(`${dir}/file`, "mine");
    const blocked = await runTask("train", [...flags, "--out_dir=file/run"], dir);
    assertEquals(blocked.code, 1);
    assertStringIncludes(blocked.stderr, "error: file/run cannot be made");
    assertEquals(await Deno.readTextFile(`${dir}/file`), "mine");

    if (Deno.build.os === "linux") {
      const noDriver = { DENO_WEBGPU_BACKEND: "vulkan", VK_DRIVER_FILES: "/dev/null", VK_ICD_FILENAMES: "/dev/null" };
      const blind = await runTask("train", ["--dataset=text.txt"], dir, noDriver);
      assertEquals([blind.code, blind.stderr.trim().split("\n").length], [1, 1], blind.stderr);
      assertStringIncludes(blind.stderr, "error: No GPU adapter was found: on Debian or Ubuntu `apt-get install");
    }
    const none = await runTask("generate", ["--out_dir=nowhere"], dir);
    assertEquals(
      [none.code, none.stderr.startsWith("error: nowhere holds no checkpoint")],
      [1, true],
      none.stderr,
    );
  });
});

Deno.test("every command has help, and info tells what it found", async () => {
  for (const task of ["train", "generate", "info", "verify"]) {
    const { code, stdout } = await runTask(task, ["--help"]);
    assertEquals([code, stdout.includes(`deno task ${task}`)], [0, true], task);
  }
  const { code, stdout } = await runTask("info", ["--json"]);
  assertEquals(code, 0);
  const { adapter, selfTest, peaks, limits } = JSON.parse(stdout);
  assertEquals([typeof adapter.description, selfTest, limits.maxBufferSize > 0], ["string", "passed", true]);
  assertEquals(
    peaks.flops > 1e8 && peaks.bandwidth > 1e7 && peaks.launch > 0 && peaks.launch < 0.1,
    true,
    stdout,
  );
});

Deno.test("a profile of one step names its kernels", async () => {
  await inFolderWithText(async (dir) => {
    const child = await startTask("train", ["--dataset=text.txt", ...tiny, "--profile"], dir);
    const { code, stdout } = await finish(child);
    assertEquals(code, 0);
    assertMatch(stdout, /adamw(_grouped)?\.wgsl\/update/);
    assertStringIncludes(stdout, "one step");
  });
});
