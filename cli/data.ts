import { dataGet } from "./data_get.ts";
import { dataInspect } from "./data_inspect.ts";
import { dataPrepare } from "./data_prepare.ts";
import { runCommand } from "./run_command.ts";
import { runSubcommand } from "./run_subcommand.ts";

const help = `Brings texts to learn from, and turns them into tokens.

  deno task data get [NAME]             download a public corpus; without a name, the list of them
  deno task data prepare INPUT…         documents to shards of tokens
  deno task data inspect DIR            counts, lengths, and some documents of such a folder

Each says more with --help.`;

if (import.meta.main) {
  await runCommand((args) =>
    runSubcommand({
      name: "data",
      help,
      commands: { get: dataGet, prepare: dataPrepare, inspect: (args) => dataInspect(args) },
    }, args)
  );
}
