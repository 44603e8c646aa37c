import { WeftError } from "../engine/weft_error.ts";
import { nearestName } from "../train/nearest_name.ts";

/** What a command of several parts consists of. */
export interface Subcommands {
  /** Its own name, for messages. */
  readonly name: string;
  /** What `--help` prints. */
  readonly help: string;
  /** The parts, by name. */
  readonly commands: Readonly<Record<string, (args: string[]) => Promise<void>>>;
}

/**
 * Runs the part of a command that the first argument names, with the others.
 *
 * @throws {WeftError} when there is no such part.
 */
export async function runSubcommand({ name, help, commands }: Subcommands, args: readonly string[]): Promise<void> {
  const [part, ...rest] = args;
  if (part === undefined || part === "--help" || part === "-h") return console.log(help);
  if (!Object.hasOwn(commands, part)) {
    const near = nearestName(part, Object.keys(commands));
    const hint = near ? `; did you mean ${near}?` : `: it is one of ${Object.keys(commands).join(", ")}`;
    throw new WeftError(`${name} ${part} is not known${hint}`);
  }
  await commands[part](rest);
}
