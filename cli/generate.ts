import { describeOptions, type OptionValues, resolveOptions } from "../train/options.ts";
import { readTextFile } from "../train/text_file.ts";
import { WeftError } from "../engine/weft_error.ts";
import { generateTexts, tokenLogProbs } from "../model/generate_text.ts";
import { beamSearch } from "../model/beam_search.ts";
import { contrastiveSearch } from "../model/contrastive_search.ts";
import type { LanguageModel } from "../model/language_model.ts";
import { generateSpeculatively, type SpeculativeOptions } from "../model/speculative.ts";
import { TextStream } from "../model/text_stream.ts";
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
  start: { type: "string", default: "\n", help: "text to continue, or FILE:path" },
  num_samples: { type: "int", default: 1, min: 1, help: "how many texts" },
  max_new_tokens: { type: "int", default: 500, min: 1, help: "length of each" },
  ...samplingFlags,
  seed: { type: "int", default: 1337, min: 0, help: "of the draws; each sample adds one" },
  stop: { type: "string", default: "", help: "text that ends a sample and is not written, or a JSON list of several" },
  stop_at_end_of_text: { type: "bool", default: true, help: "end a sample where a document ends" },
  context: {
    type: "string",
    choices: ["crop", "slide"],
    default: "crop",
    help: "past block_size: the last block_size tokens, exactly, or half of them anew when full, fast",
  },
  draft: {
    type: "string",
    default: "",
    help: "folder of a run of a smaller model, whose guesses the model checks: faster",
  },
  proposals: { type: "int", default: 4, min: 1, help: "how many tokens the draft model guesses at a time" },
  num_beams: { type: "int", default: 1, min: 1, help: "above 1: beam search, which draws nothing" },
  length_penalty: { type: "real", default: 1, help: "of beam search: above 0 favours long texts" },
  penalty_alpha: {
    type: "real",
    default: 0,
    min: 0,
    max: 1,
    help: "above 0: contrastive search among the top_k likeliest, of which it takes 8 at most",
  },
  log_probs: { type: "bool", default: false, help: "list each token with its log-probability instead of text" },
  shaders: {
    type: "string",
    default: "",
    help: "folder of .wgsl files that take the place of the built-in ones",
  },
} as const;

/** Each candidate of contrastive search has a row of the cache. */
const mostCandidates = 8;

const help = `Writes text with a trained model.

  deno task generate --out_dir=out [--start="Once upon"] [--key=value …]

${describeOptions(options)}`;

/** `deno task generate`. */
export async function generateCommand(args: string[]): Promise<void> {
  const { flags, help: wantsHelp } = parseCommandLine(args, { options });
  if (wantsHelp) return console.log(help);
  const values = resolveOptions(options, [{ source: "command line", values: flags }]);
  const file = /^FILE:(.*)$/s.exec(values.start)?.[1];
  const start = file === undefined ? values.start : await readTextFile(file);
  if (start === "") throw new WeftError("--start is empty: give at least one character to continue");
  const stop = parseStops(values.stop);
  using gpu = await openGpu(values.shaders);
  const { model, tokenizer } = await openTrained(gpu, values.out_dir);
  const encoder = new TextEncoder(), write = (text: string) => Deno.stdout.writeSync(encoder.encode(text));
  const special = [values.draft !== "", values.num_beams > 1, values.penalty_alpha > 0].filter(Boolean).length;
  if (special > 1) throw new WeftError("--draft, --num_beams and --penalty_alpha are different ways: give one of them");
  if (special > 0 && values.log_probs) throw new WeftError("--log_probs is for texts that are drawn token by token");
  checkUnused(values, Object.keys(flags));
  const ends = { stop, stopAtEndOfText: values.stop_at_end_of_text }, maxNewTokens = values.max_new_tokens;
  const ids = tokenizer.encode(start);
  const draft = values.draft === "" ? undefined : await openTrained(gpu, values.draft);
  if (draft && JSON.stringify(draft.tokenizer) !== JSON.stringify(tokenizer)) {
    throw new WeftError(
      `${values.draft} and ${values.out_dir} have different tokenizers: a draft model must have the same`,
    );
  }
  for (let i = 0; i < values.num_samples; i++) {
    const sampling = { ...samplingOf(values), maxNewTokens, seed: values.seed + i };
    if (values.log_probs) {
      const known = ids.length > 1 ? await tokenLogProbs(model, ids) : [];
      known.forEach((logProb, at) =>
        write(tokenLine(logProb, tokenizer.decode([ids[at + ids.length - known.length]])))
      );
    } else write(start);
    if (special > 0) {
      const stream = new TextStream(tokenizer, ends);
      let count = 0;
      for await (const id of await search(model, draft?.model, ids, values, sampling, tokenizer.endOfText)) {
        const { text, finish } = stream.push(id, ++count === maxNewTokens);
        write(text);
        if (finish) break;
      }
    } else {
      const pieces = generateTexts(model, tokenizer, [start], { ...sampling, ...ends, context: values.context });
      for await (const { text, id, logProb } of pieces) {
        write(values.log_probs ? tokenLine(logProb, tokenizer.decode([id])) : text);
      }
    }
    write("\n---------------\n");
  }
}

/** Says which of the given flags the way of writing takes no notice of. */
function checkUnused(
  { draft, num_beams, penalty_alpha }: OptionValues<typeof options>,
  given: readonly string[],
): void {
  const drawing = [...Object.keys(samplingFlags), "seed", "num_samples", "context"];
  const [way, unused] = num_beams > 1
    ? ["num_beams", drawing]
    : penalty_alpha > 0
    ? ["penalty_alpha", drawing.filter((name) => name !== "top_k")]
    : ["draft", draft === "" ? [] : ["context"]];
  const strange = given.find((name) => unused.includes(name));
  if (strange !== undefined) throw new WeftError(`--${way} takes no notice of --${strange}: leave one of them out`);
}

/** The tokens of a continuation that is not drawn one by one. */
async function search(
  model: LanguageModel,
  draft: LanguageModel | undefined,
  ids: ArrayLike<number>,
  values: OptionValues<typeof options>,
  sampling: SpeculativeOptions,
  endOfText: number | undefined,
): Promise<AsyncIterable<number> | Iterable<number>> {
  const { maxNewTokens } = sampling, { num_beams, length_penalty, penalty_alpha, top_k, proposals } = values;
  if (draft) return generateSpeculatively(model, draft, ids, { ...sampling, proposals });
  if (num_beams === 1) {
    return contrastiveSearch(model, ids, {
      maxNewTokens,
      topK: Math.min(top_k, mostCandidates, model.vocabSize),
      penaltyAlpha: penalty_alpha,
    });
  }
  const stopTokens = values.stop_at_end_of_text && endOfText !== undefined ? [endOfText] : [];
  const found = await beamSearch(model, ids, {
    maxNewTokens,
    numBeams: num_beams,
    lengthPenalty: length_penalty,
    stopTokens,
  });
  return found[0].ids;
}

function tokenLine(logProb: number, token: string): string {
  return `${logProb.toFixed(4).padStart(9)}  ${JSON.stringify(token)}\n`;
}

if (import.meta.main) await runCommand(generateCommand);
