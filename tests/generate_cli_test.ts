import { assertEquals, assertStringIncludes } from "@std/assert";
import { runTask } from "./_program.ts";

Deno.test("generate writes in every way that its flags name", async () => {
  const dir = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${dir}/text.txt`, "the quick brown fox jumps over the lazy dog. ".repeat(60));
    const train = async (out: string, n_embd: number) => {
      const size = ["--n_layer=1", "--n_head=2", `--n_embd=${n_embd}`, "--block_size=32", "--batch_size=4"];
      const run = [
        "--dataset=text.txt",
        `--out_dir=${out}`,
        "--max_iters=25",
        "--learning_rate=0.01",
        "--eval_iters=1",
        "--tune=off",
      ];
      const { code, stderr } = await runTask("train", [...run, ...size, "--warmup_iters=1"], dir);
      assertEquals(code, 0, stderr);
    };
    await train("large", 16);
    await train("small", 8);
    const write = async (...flags: string[]) => {
      const length = flags.some((flag) => flag.startsWith("--max_new_tokens")) ? [] : ["--max_new_tokens=20"];
      const base = ["--out_dir=large", "--start=the ", ...length];
      const { code, stdout, stderr } = await runTask("generate", [...base, ...flags], dir);
      return code === 0 ? stdout.replace(/\n---------------\n$/, "") : stderr;
    };
    const greedy = await write("--temperature=0");
    assertEquals([greedy.length, greedy.startsWith("the ")], [24, true]);
    assertEquals(await write("--temperature=0", "--draft=small", "--proposals=3"), greedy);
    assertEquals(await write("--top_k=1", "--context=slide"), greedy);
    const end = greedy.slice(10, 12); // what is written is cut where it first comes
    assertEquals(
      await write("--temperature=0", `--stop=${JSON.stringify(["zz", end])}`),
      greedy.slice(0, greedy.indexOf(end, 4)),
    );
    const biased = await write("--temperature=0", '--logit_bias={"0": 1000}', "--max_new_tokens=3");
    assertEquals(biased, "the    "); // the first character is the blank
    const beams = await write("--num_beams=3"), contrastive = await write("--penalty_alpha=0.6", "--top_k=4");
    assertEquals([beams.length, contrastive.length], [24, 24]);
    const listed = (await write("--log_probs", "--temperature=0", "--max_new_tokens=2")).split("\n");
    assertEquals(listed.filter((line) => /^ +-\d+\.\d{4} {2}".+"$/.test(line)).length, 5);
    assertEquals(listed.map((line) => line.replace(/^.* {2}"(.)"$/, "$1")).slice(0, 5).join(""), greedy.slice(1, 6));
    for (
      const [message, ...flags] of [
        ["are different ways", "--num_beams=2", "--penalty_alpha=0.5"],
        ["do not fit block_size, 32", "--num_beams=2", "--max_new_tokens=40"],
        ["set max_new_tokens to at most 28", "--num_beams=2", "--max_new_tokens=40"],
        ["--num_beams takes no notice of --top_p", "--num_beams=2", "--top_p=0.5"],
        ["--penalty_alpha takes no notice of --seed", "--penalty_alpha=0.5", "--top_k=3", "--seed=2"],
        ["--log_probs is for texts", "--num_beams=2", "--log_probs"],
        ["--logit_bias is {]: it must be JSON", "--logit_bias={]"],
        ["--stop is [1]: a list must be JSON", "--stop=[1]"],
        ["top_p is 0", "--top_p=0"],
      ]
    ) assertStringIncludes(await write(...flags), message);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
