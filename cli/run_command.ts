import { WeftError } from "../engine/weft_error.ts";

/**
 * Runs a command with the program's arguments. What a user can act on is printed as one line, `error: …`, and the
 * program exits with code 1; a defect of Weft is printed with its stack.
 */
export async function runCommand(command: (args: string[]) => Promise<void>): Promise<void> {
  try {
    await command(Deno.args);
  } catch (error) {
    console.error(describeError(error));
    Deno.exit(1);
  }
}

/** An error as the command line prints it. */
export function describeError(error: unknown): string {
  if (error instanceof WeftError) return `error: ${error.message}`;
  if (error instanceof Deno.errors.NotCapable) {
    return `error: Deno was not given a permission: ${
      firstLine(error)
    }; start it as a task, such as \`deno task train\``;
  }
  if (error instanceof Error && "code" in error && error.code === "ENOSPC") {
    return `error: the disk is full: ${firstLine(error)}`;
  }
  return `internal error: ${error instanceof Error ? error.stack ?? error.message : String(error)}`;
}

function firstLine(error: Error): string {
  return error.message.split("\n")[0];
}
