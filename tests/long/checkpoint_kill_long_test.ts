import { assert, assertEquals } from "@std/assert";
import { findDirectory } from "../../train/atomic_directory.ts";
import { findCheckpoint, loadTrainerState } from "../../train/checkpoint.ts";
import { runTask, startTask } from "../_program.ts";

const kills = 200;
const flags = [
  "--dataset=text.txt",
  ...["--n_layer=1", "--n_head=2", "--n_embd=8", "--block_size=8", "--batch_size=2", "--dropout=0.1", "--tune=off"],
  ...["--eval_iters=1", "--sample_tokens=0", "--log_interval=1", "--lr_decay_iters=1000"],
];
const saving = ["--eval_interval=1", "--keep=7", "--out_dir=killed"];

/** mulberry32: moments that look random and are the same each time. */
function random(seed: number): () => number {
  return () => {
    let z = seed = seed + 0x6d2b79f5 | 0;
    z = Math.imul(z ^ z >>> 15, z | 1);
    z ^= z + Math.imul(z ^ z >>> 7, z | 61);
    return ((z ^ z >>> 14) >>> 0) / 2 ** 32;
  };
}

Deno.test("a run that is killed 200 times at random moments always has a whole checkpoint, and goes on bit for bit", async () => {
  const dir = await Deno.makeTempDir({ prefix: "weft test " }), last = `${dir}/killed/last`, next = random(1);
  try {
    await Deno.writeTextFile(`${dir}/text.txt`, "All work and no play makes Jack a dull boy.\n".repeat(30));
    let step = 0, between = 0, early = 0;
    for (let kill = 0; kill < kills; kill++) {
      const begins = await findDirectory(last) === undefined ? flags : ["--init_from=resume"];
      const child = await startTask("train", [...begins, ...saving, "--max_iters=1000000"], dir);
      const stderr = new Response(child.stderr).text(), reader = child.stdout.getReader();
      // A fifth die while they start or load; the others while they train and write.
      const trains = next() > 0.2;
      let stdout = "";
      if (trains) {
        while (!/^step \d+ {2}loss/m.test(stdout)) {
          const { value, done } = await reader.read();
          if (done) throw new Error(stdout + await stderr);
          stdout += new TextDecoder().decode(value);
        }
      }
      await new Promise((resolve) => setTimeout(resolve, trains ? 700 * next() : 800 * next()));
      child.kill("SIGKILL");
      await Promise.all([child.status, reader.cancel()]);
      assertEquals([await stderr, stdout.includes("warning")], ["", false]);
      if (await findDirectory(last) === undefined) {
        early++;
        continue;
      }
      if (await findDirectory(last) === `${last}.old`) between++;
      const found = await findCheckpoint(last, (problem) => assert(false, problem));
      const state = await loadTrainerState(found);
      assert(state.step >= step, `${state.step} after ${step}`); // nothing that was saved is lost
      step = state.step;
    }
    console.log(
      `${kills} kills in ${step} steps; ${early} before the first checkpoint, ${between} between two renames`,
    );
    assert(step > kills / 4, `${step} steps`);
    const end = `--max_iters=${step + 5}`;
    const resumed = await runTask("train", ["--init_from=resume", ...saving, end], dir);
    assertEquals([resumed.code, resumed.stderr], [0, ""]);
    const whole = await runTask("train", [...flags, "--eval_interval=1000000", "--out_dir=whole", end], dir);
    assertEquals([whole.code, whole.stderr], [0, ""]);
    for (const file of ["model", "optimizer"]) {
      const [a, b] = await Promise.all(
        ["killed", "whole"].map((name) => Deno.readFile(`${dir}/${name}/last/${file}.safetensors`)),
      );
      assertEquals(a, b, file);
    }
    for (const { name } of Deno.readDirSync(`${dir}/killed`)) {
      if (!/^step_\d+$/.test(name)) continue;
      const path = await findCheckpoint(`${dir}/killed/${name}`, (problem) => assert(false, problem));
      assertEquals((await loadTrainerState(path)).step, Number(name.slice(5)));
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
