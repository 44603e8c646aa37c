import { WeftError } from "../engine/weft_error.ts";

/** Another library in a process of its own, that measures what it is asked for: see tests/peers/README.md. */
export class Peer {
  /** Name and version. */
  readonly name: string;
  #process: Deno.ChildProcess;
  #writer: WritableStreamDefaultWriter<Uint8Array>;
  #lines: ReadableStreamDefaultReader<string>;
  #rest = "";

  private constructor(name: string, process: Deno.ChildProcess) {
    this.name = name;
    this.#process = process;
    this.#writer = process.stdin.getWriter();
    this.#lines = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Starts a peer. Returns what is missing, in words, where it cannot run here. */
  static async start(command: string, args: readonly string[]): Promise<Peer | string> {
    let process: Deno.ChildProcess;
    try {
      process = new Deno.Command(command, {
        args: [...args],
        stdin: "piped",
        stdout: "piped",
        stderr: "null",
      }).spawn();
    } catch (error) {
      return `${command} cannot be started: ${(error as Error).message}`;
    }
    const peer = new Peer(args.at(-1)!, process);
    try {
      const { name } = await peer.#ask({ op: "hello" });
      return Object.assign(peer, { name });
    } catch (error) {
      await peer.close();
      return (error as Error).message;
    }
  }

  /** Seconds of each of `repeats` runs of a request, or why it could not. */
  async measure(request: Readonly<Record<string, unknown>>, repeats: number): Promise<number[] | string> {
    try {
      const { ms } = await this.#ask({ ...request, repeats });
      return (ms as number[]).map((each) => each / 1000);
    } catch (error) {
      return (error as Error).message;
    }
  }

  /** Ends the process. */
  async close(): Promise<void> {
    await this.#writer.close().catch(() => {});
    try {
      this.#process.kill();
    } catch {
      // it has ended by itself
    }
    await this.#process.status;
  }

  async #ask(request: Readonly<Record<string, unknown>>): Promise<Record<string, unknown>> {
    await this.#writer.write(new TextEncoder().encode(JSON.stringify(request) + "\n"));
    while (!this.#rest.includes("\n")) {
      const { value, done } = await this.#lines.read();
      if (done) throw new WeftError(`${this.name} ended without an answer`);
      this.#rest += value;
    }
    const at = this.#rest.indexOf("\n"), answer = JSON.parse(this.#rest.slice(0, at));
    this.#rest = this.#rest.slice(at + 1);
    if (typeof answer.error === "string") throw new WeftError(answer.error);
    return answer;
  }
}

/** Starts what a user would take instead: jax-js and TensorFlow.js on the same adapter, and PyTorch on the CPU. */
export async function startPeers(): Promise<{ running: Peer[]; missing: string[] }> {
  const file = (name: string) => new URL(`../tests/peers/${name}`, import.meta.url).pathname;
  const deno = (name: string, ...args: string[]): [string, string[]] => [
    Deno.execPath(),
    ["run", "-A", "--no-check", "--no-lock", file(name), ...args],
  ];
  const python = (command: string): [string, string[]] => [command, [file("torch_cpu.py")]];
  const ways: [string, string[]][][] = [ // of each, the first that starts
    [deno("jax_js.ts", "--device=webgpu")],
    [deno("jax_js.ts", "--device=wasm")],
    [deno("tfjs.ts")],
    [python("python3"), python("/usr/bin/python3")],
  ];
  const running: Peer[] = [], missing: string[] = [];
  for (const commands of ways) {
    const failures: string[] = [];
    for (const [command, args] of commands) {
      const peer = await Peer.start(command, args);
      if (typeof peer !== "string") {
        running.push(peer);
        break;
      }
      failures.push(`${command}: ${peer}`);
    }
    const [, args] = commands[0], name = args.filter((arg) => /\.(ts|py)$|device/.test(arg)).join(" ");
    if (failures.length === commands.length) missing.push(`${name}: ${failures.join("; ")}`);
  }
  return { running, missing };
}
