import { dataGet } from "./data_get.ts";
import { runCommand } from "./run_command.ts";
import { runSubcommand } from "./run_subcommand.ts";

const help = `Brings texts to learn from.

  deno task data get [NAME]             download a public corpus; without a name, the list of them

Each says more with --help.`;

if (import.meta.main) {
  await runCommand((args) => runSubcommand({ name: "data", help, commands: { get: dataGet } }, args));
}
