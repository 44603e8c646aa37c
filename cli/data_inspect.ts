import { WeftError } from "../engine/weft_error.ts";
import { randomUniform } from "../engine/random.ts";
import { describeOptions, resolveOptions } from "../train/options.ts";
import { openPreparedData, type PreparedData } from "../train/prepared_data.ts";
import { parseCommandLine } from "./command_line.ts";
import { formatCount } from "./format.ts";

const options = {
  part: { type: "string", choices: ["train", "val"], default: "train", help: "which part is looked into" },
  documents: { type: "int", default: 3, min: 0, help: "how many documents are shown, chosen by chance" },
  max_tokens: { type: "int", default: 200, min: 1, help: "tokens that are shown of each" },
  seed: { type: "int", default: 1337, min: 0, help: "of that choice" },
} as const;

const help = `Looks into a folder of \`deno task data prepare\`: counts, lengths of documents, and some of them as text.

  deno task data inspect DIR [--key=value …]

${describeOptions(options)}`;

const window = 1 << 20;

/**
 * `deno task data inspect`.
 *
 * @throws {WeftError} when the folder is none of shards.
 */
export async function dataInspect(args: string[], print: (line: string) => void = console.log): Promise<void> {
  const { words: [folder], flags, help: wantsHelp } = parseCommandLine(args, { words: 1, options });
  if (wantsHelp) return print(help);
  const values = resolveOptions(options, [{ source: "command line", values: flags }]);
  if (folder === undefined) throw new WeftError("Name a folder of shards: deno task data inspect DIR");
  using data = await openPreparedData(folder);
  const { meta } = data, { endOfText } = data.tokenizer;
  print(`${folder}: ${meta.format}'s ${meta.type}, ${meta.vocab_size} kinds of tokens, by Weft ${meta.weft}`);
  for (const [part, { documents, tokens, shards }] of Object.entries(meta.parts)) {
    const each = (tokens / documents).toFixed(1);
    print(`${part}: ${documents} documents, ${tokens} tokens, ${each} each, in ${shards.length} files`);
  }
  for (const { path, bytes } of meta.inputs) print(`input: ${path}, ${formatCount(bytes)}B`);
  for (const { stage } of meta.pipeline) print(`cleaned by: ${stage}`);
  if (endOfText === undefined) return print("the tokenizer has no end of text: documents cannot be told apart");
  const starts = sampled(data, values, endOfText, print);
  const tokens = tokensOf(data, values.part);
  for (const { start, length } of starts) {
    const shown = new Int32Array(Math.min(length, values.max_tokens));
    tokens.copyTo(shown, start);
    print(`\n--- ${length} tokens${length > shown.length ? `, the first ${shown.length}` : ""}`);
    print(data.tokenizer.decode(shown));
  }
}

interface Place {
  readonly start: number;
  readonly length: number;
}

const tokensOf = (data: PreparedData, part: string) => part === "train" ? data.train : data.validation;

/** Goes over all documents once: prints their lengths by powers of two, and gives back some by reservoir sampling. */
function sampled(
  data: PreparedData,
  { part, documents, seed }: { readonly part: string; readonly documents: number; readonly seed: number },
  endOfText: number,
  print: (line: string) => void,
): Place[] {
  const tokens = tokensOf(data, part), counts: number[] = [], places: Place[] = [];
  let start = 0, seen = 0;
  for (let from = 0; from < tokens.length; from += window) {
    const ids = new Int32Array(Math.min(window, tokens.length - from));
    tokens.copyTo(ids, from);
    for (let i = 0; (i = ids.indexOf(endOfText, i)) >= 0; i++) {
      const length = from + i - start, bucket = length === 0 ? 0 : Math.floor(Math.log2(length)) + 1;
      counts[bucket] = (counts[bucket] ?? 0) + 1;
      // the n-th document takes a place with probability documents / n (Vitter 1985, algorithm R)
      const slot = seen < documents ? seen : Math.floor(randomUniform(seed, 0, seen) * (seen + 1));
      if (slot < documents) places[slot] = { start, length };
      seen++;
      start = from + i + 1;
    }
  }
  print(`\nlengths of the documents of ${part}, in tokens:`);
  const most = Math.max(...counts.map((count) => count ?? 0));
  for (let bucket = 0; bucket < counts.length; bucket++) {
    const count = counts[bucket] ?? 0, low = bucket === 0 ? 0 : 2 ** (bucket - 1), high = 2 ** bucket - 1;
    const range = low === high ? `${low}` : `${low} to ${high}`;
    print(`${range.padStart(20)}  ${String(count).padStart(10)}  ${"█".repeat(Math.ceil(40 * count / most))}`);
  }
  return places.sort((a, b) => a.start - b.start);
}
