import { assertEquals } from "@std/assert";
import { Bigram, CharTokenizer, type Gpu } from "../mod.ts";
import { Chat, type ChatOptions } from "../model/chat.ts";
import { gpuTest } from "./_check_op.ts";
import { root, runTask } from "./_program.ts";

/** A model that answers " Ok." and then goes on as if it were asked, and the texts that it was given. */
function polite(gpu: Gpu, blockSize: number): { model: Bigram; tokenizer: CharTokenizer; seen: string[] } {
  const tokenizer = CharTokenizer.fromText("User: Assistant: Ok.\nBe kind abcdefgh?"), V = tokenizer.vocabSize;
  const model = new Bigram(gpu, { vocab_size: V, block_size: blockSize }), table = new Float32Array(V * V);
  const round = tokenizer.encode(": Ok.\nUser:"), seen: string[] = [], { encode } = tokenizer;
  for (let i = 0; i + 1 < round.length; i++) table[round[i] * V + round[i + 1]] = 60;
  gpu.write(model.parameters().get("wte.weight")!.storage, table);
  tokenizer.encode = (text) => {
    seen.push(text);
    return encode.call(tokenizer, text);
  };
  return { model, tokenizer, seen };
}

gpuTest("an answer ends where the next question would begin, and the conversation is kept", async (gpu) => {
  const { model, tokenizer, seen } = polite(gpu, 200);
  const chat = new Chat(model, tokenizer, { maxNewTokens: 50, template: { system: "Be kind" } });
  const ask = async (question: string) => {
    let answer = "";
    for await (const piece of chat.say(question)) answer += piece;
    return [answer, seen.at(-1)];
  };
  assertEquals(await ask("a"), ["Ok.", "Be kind\n\nUser: a\nAssistant:"]);
  assertEquals(await ask("b?"), ["Ok.", "Be kind\n\nUser: a\nAssistant: Ok.\nUser: b?\nAssistant:"]);
  chat.reset();
  assertEquals(await ask("c"), ["Ok.", "Be kind\n\nUser: c\nAssistant:"]);
});

gpuTest("the oldest turns are left out when the block is full", async (gpu) => {
  const { model, tokenizer, seen } = polite(gpu, 72), options: ChatOptions = { maxNewTokens: 10 };
  const chat = new Chat(model, tokenizer, options), last: string[] = [];
  for (const question of ["a", "b", "c", "d"]) {
    for await (const _ of chat.say(question)); // the answers are known
    last.push(seen.at(-1)!);
  }
  const turn = (question: string) => `User: ${question}\nAssistant: Ok.\n`,
    open = (question: string) => `User: ${question}\nAssistant:`;
  // A turn is 23 characters and a question 18: two turns and a question are 64, and 62 are free.
  assertEquals(last, [open("a"), turn("a") + open("b"), turn("b") + open("c"), turn("c") + open("d")]);
});

Deno.test("chat answers each line of its input, and a character that the model does not know is no end", async () => {
  const dir = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${dir}/text.txt`, "User: hello\nAssistant: yes, it is so\n".repeat(60));
    const flags = [
      "--dataset=text.txt",
      "--model=bigram",
      "--block_size=16",
      "--max_iters=2",
      "--eval_iters=1",
      "--tune=off",
    ];
    const trained = await runTask("train", flags, dir);
    assertEquals(trained.code, 0, trained.stderr);
    const chat = async (args: string[], input: string) => {
      const command = [`${root}/cli/chat.ts`, "--out_dir=out", "--max_new_tokens=12", ...args];
      const child = new Deno.Command(Deno.execPath(), {
        args: ["run", "--no-check", "--allow-read", ...command],
        cwd: dir,
        stdin: "piped",
        stdout: "piped",
        stderr: "piped",
      }).spawn();
      const writer = child.stdin.getWriter();
      await writer.write(new TextEncoder().encode(input));
      await writer.close();
      const { code, stdout, stderr } = await child.output(), decoder = new TextDecoder();
      return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
    };
    const told = await chat([], "hello\nÜ\n/reset\nis it so");
    assertEquals([told.code, told.stderr.includes('error: Unknown character "Ü"')], [0, true], told.stderr);
    assertEquals(told.stdout.length > 3, true);
    assertEquals(
      (await chat([], "hello\n/exit\nis it so")).stdout,
      told.stdout.slice(0, 0) + (await chat([], "hello\n")).stdout,
    );
    assertEquals((await chat(["--user= "], "")).stderr.includes("error: --user is empty: give a name"), true);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
