/** The project's folder. */
export const root = new URL("..", import.meta.url).pathname.replace(/\/$/, "");

/** What a program printed, and how it ended. */
export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Permissions of a task of deno.json, without the program and what comes after it. */
async function permissionsOf(task: string): Promise<string[]> {
  const { tasks } = JSON.parse(await Deno.readTextFile(`${root}/deno.json`)) as {
    tasks: Record<string, string>;
  };
  return tasks[task].split(" ").filter((word) => word.startsWith("--allow-"));
}

/**
 * Starts a command of cli/ with the permissions of its task; `before` it, commands of a shell. Training takes the kernels of the
 * table, unless a flag says else: to choose them takes seconds in each new folder.
 */
export async function startTask(
  task: string,
  args: readonly string[],
  cwd = root,
  env: Record<string, string> = {},
  options: { readonly stdin?: "null" | "piped"; readonly before?: string } = {},
): Promise<Deno.ChildProcess> {
  const { stdin = "null", before } = options;
  return new Deno.Command(before === undefined ? Deno.execPath() : "sh", {
    args: [
      ...before === undefined ? [] : ["-c", `${before}; exec "$@"`, "sh", Deno.execPath()],
      "run",
      "--no-check",
      "--config",
      `${root}/deno.json`,
      ...await permissionsOf(task),
      `${root}/cli/${task}.ts`,
      ...args,
      ...task === "train" && !args.some((arg) => arg.startsWith("--tune")) ? ["--tune=off"] : [],
    ],
    cwd,
    env: { NO_COLOR: "1", XDG_RUNTIME_DIR: "/tmp", ...env },
    stdin,
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Runs a command of cli/ with the permissions of its task, and with that text as its standard input. */
export async function runTask(
  task: string,
  args: readonly string[],
  cwd = root,
  env: Record<string, string> = {},
  input?: string,
): Promise<Finished> {
  const child = await startTask(task, args, cwd, env, { stdin: input === undefined ? "null" : "piped" });
  if (input !== undefined) await new Blob([input]).stream().pipeTo(child.stdin).catch(() => {}); // it may not read
  return await finish(child);
}

/** Waits for a program. */
export async function finish(child: Deno.ChildProcess): Promise<Finished> {
  const { code, stdout, stderr } = await child.output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

/** Runs a test in an empty folder, which is removed at its end; its name has a blank, as names of users have. */
export async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "weft test " });
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
