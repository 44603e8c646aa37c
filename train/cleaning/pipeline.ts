import { WeftError } from "../../engine/weft_error.ts";
import { nearestName } from "../nearest_name.ts";
import { corpusStages } from "./corpus_stages.ts";
import type { Document } from "./document.ts";
import { resolveStageOptions, type StageFunction } from "./stage.ts";
import { documentStages } from "./stages.ts";
import { countDropped, countKept, emptyStatistics, type StageStatistics, utf8Length } from "./statistics.ts";
import { WordScanner } from "./word_scanner.ts";

/** A stage of a pipeline with all of its options; plain data, as files and messages to workers hold it. */
export interface Stage {
  /** Its name. */
  readonly stage: string;
  /** Every option of it. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** What became of a document: its cleaned text, or the stage that dropped it and why. */
export type Cleaned = { readonly text: string } | { readonly stage: string; readonly reason: string };

/**
 * A pipeline from what a YAML file holds: a list of stages, each a name or an object with the name under `stage` and
 * any of its options beside it. Stages over the whole corpus (`exact_duplicates`, `near_duplicates`) come last.
 *
 * @throws {WeftError} at an unknown stage or option, a value that is not allowed, and stages in a wrong order.
 *
 * @example
 * ```ts
 * import { parsePipeline } from "./pipeline.ts";
 * const stages = parsePipeline(["unicode", { stage: "gopher_quality", min_words: 20 }]);
 * console.log(stages[1].options.min_words, stages[1].options.max_words); // 20, 100000
 * ```
 */
export function parsePipeline(value: unknown): Stage[] {
  if (!Array.isArray(value)) throw new WeftError("The pipeline must be a list of stages, such as [{ stage: unicode }]");
  const stages = value.map(parseStage);
  for (const [i, { stage }] of stages.entries()) {
    if (!Object.hasOwn(corpusStages, stage)) continue;
    const later = stages.slice(i + 1).find(({ stage }) => !Object.hasOwn(corpusStages, stage));
    if (later) {
      throw new WeftError(`Stage ${i + 1}, ${stage}: it looks at cleaned texts and must come after ${later.stage}`);
    }
    const again = stages.findIndex((other) => other.stage === stage);
    if (again < i) {
      throw new WeftError(`Stage ${i + 1}, ${stage}: it must be there once, and is stage ${again + 1} too`);
    }
    if (stage === "exact_duplicates" && i > 0 && stages[i - 1].stage === "near_duplicates") {
      throw new WeftError(`Stage ${i + 1}, exact_duplicates: it must come before near_duplicates`);
    }
  }
  return stages;
}

function parseStage(value: unknown, i: number): Stage {
  const given = typeof value === "string" ? { stage: value } : value as Record<string, unknown> | null;
  if (typeof given !== "object" || given === null || typeof given.stage !== "string") {
    throw new WeftError(`Stage ${i + 1} of the pipeline is ${JSON.stringify(value)}: it must have a stage: NAME`);
  }
  const { stage, ...options } = given as Record<string, unknown> & { stage: string };
  const known = { ...documentStages, ...corpusStages };
  if (!Object.hasOwn(known, stage)) {
    const names = Object.keys(known), near = nearestName(stage, names);
    throw new WeftError(
      `Stage ${i + 1}: ${stage} is not known${near ? `; did you mean ${near}?` : `; there are ${names.join(", ")}`}`,
    );
  }
  return { stage, options: resolveStageOptions(known[stage].options, options, `Stage ${i + 1}, ${stage}`) };
}

/**
 * The document stages of a pipeline at work: cleans documents one by one, and counts.
 *
 * @example
 * ```ts
 * import { Cleaner, parsePipeline } from "./pipeline.ts";
 * const cleaner = new Cleaner(parsePipeline(["unicode", "redact"]));
 * console.log(cleaner.clean({ text: "Write to jane@example.com", source: "a.txt:1" })); // { text: "Write to <EMAIL>" }
 * console.log(cleaner.statistics[1].counts); // { EMAIL: 1 }
 * ```
 */
export class Cleaner {
  /** What each document stage has done so far. */
  statistics: StageStatistics[];
  /** The words of the text that was cleaned last, and of others. */
  readonly scanner: WordScanner = new WordScanner();
  readonly #names: readonly string[];
  readonly #stages: readonly StageFunction[];

  /** The stages of `parsePipeline`; those over the corpus are left out. */
  constructor(stages: readonly Stage[]) {
    const own = stages.filter(({ stage }) => Object.hasOwn(documentStages, stage));
    this.#names = own.map(({ stage }) => stage);
    this.#stages = own.map(({ stage, options }) => documentStages[stage].prepare(options as never));
    this.statistics = this.#names.map(emptyStatistics);
  }

  /** The statistics so far, which begin anew. */
  takeStatistics(): StageStatistics[] {
    const statistics = this.statistics;
    this.statistics = this.#names.map(emptyStatistics);
    return statistics;
  }

  /** Sends a document through all stages. A text of which a stage leaves nothing is dropped as "empty". */
  clean(document: Document): Cleaned {
    const { source } = document;
    let { text } = document, bytes = utf8Length(text);
    for (let i = 0; i < this.#stages.length; i++) {
      const before = { text, source }, statistics = this.statistics[i];
      const result = this.#stages[i](text, this.scanner);
      if ("dropped" in result || !/\S/.test(result.text)) {
        const reason = "dropped" in result ? result.dropped : "empty";
        countDropped(statistics, before, bytes, reason);
        return { stage: this.#names[i], reason };
      }
      bytes = countKept(statistics, before, bytes, result.text, result.counts);
      text = result.text;
    }
    return { text };
  }
}
