import { WeftError } from "../engine/weft_error.ts";
import { Chat } from "../model/chat.ts";
import { describeOptions, resolveOptions } from "../train/options.ts";
import { parseCommandLine } from "./command_line.ts";
import { openGpu } from "./open_gpu.ts";
import { openTrained } from "./open_trained.ts";
import { runCommand } from "./run_command.ts";
import { parseStops, samplingFlags, samplingOf } from "./sampling_flags.ts";

const options = {
  out_dir: {
    type: "string",
    default: "out",
    help: "folder of a run; its `best` checkpoint is taken, else `last`, else what lies in it",
  },
  system: { type: "string", default: "", help: "text before the conversation" },
  user: { type: "string", default: "User", help: "name of who asks" },
  assistant: { type: "string", default: "Assistant", help: "name of who answers" },
  max_new_tokens: { type: "int", default: 200, min: 1, help: "longest answer" },
  ...samplingFlags,
  seed: { type: "int", default: 1337, min: 0, help: "of the draws; each answer adds one" },
  stop: { type: "string", default: "", help: "text that ends an answer too, or a JSON list of several" },
  context: { type: "string", choices: ["crop", "slide"], default: "slide", help: "past block_size, as for generate" },
  shaders: { type: "string", default: "", help: "folder of .wgsl files that take the place of the built-in ones" },
} as const;

const help = `Holds a conversation with a trained model: one line, one answer. /reset forgets, /exit ends.

The model continues a text in which each turn is a name, a colon and what was said, on lines of their own.

  deno task chat --out_dir=out [--system="…"] [--key=value …]

${describeOptions(options)}`;

/** `deno task chat`. */
export async function chatCommand(args: string[]): Promise<void> {
  const { flags, help: wantsHelp } = parseCommandLine(args, { options });
  if (wantsHelp) return console.log(help);
  const values = resolveOptions(options, [{ source: "command line", values: flags }]);
  const { system, user, assistant } = values, stop = parseStops(values.stop), sampling = samplingOf(values);
  for (const [flag, name] of [["user", user], ["assistant", assistant]]) {
    if (name.trim() === "") throw new WeftError(`--${flag} is empty: give a name`);
  }
  using gpu = await openGpu(values.shaders);
  const { model, tokenizer } = await openTrained(gpu, values.out_dir);
  const chat = new Chat(model, tokenizer, {
    ...sampling,
    maxNewTokens: values.max_new_tokens,
    seed: values.seed,
    stop,
    context: values.context,
    template: { system, user, assistant },
  });
  const encoder = new TextEncoder(), write = (text: string) => Deno.stdout.writeSync(encoder.encode(text));
  const ask = () => Deno.stdin.isTerminal() && write("> ");
  ask();
  for await (const line of linesOf(Deno.stdin.readable)) {
    if (line === "/exit") break;
    if (line === "/reset") chat.reset();
    else if (line.trim() !== "") {
      try {
        for await (const piece of chat.say(line)) write(piece);
        write("\n");
      } catch (error) {
        if (!(error instanceof WeftError)) throw error;
        console.error(`error: ${error.message}`); // such as a character that the model does not know: ask again
      }
    }
    ask();
  }
}

/** The lines of a stream of UTF-8. */
async function* linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string, void, void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split(/\r?\n/);
    rest = lines.pop()!;
    yield* lines;
  }
  if (rest !== "") yield rest;
}

if (import.meta.main) await runCommand(chatCommand);
