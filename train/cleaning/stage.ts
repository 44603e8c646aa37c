import { WeftError } from "../../engine/weft_error.ts";
import { type OptionSpec, type OptionTable, resolveOptions, type ValueOf } from "../options.ts";
import { nearestName } from "../nearest_name.ts";
import { WordScanner } from "./word_scanner.ts";

/** An option that is a list of texts. */
export interface ListSpec {
  /** Tells a list from an `OptionSpec`. */
  readonly type: "list";
  /** The list when none is given. */
  readonly default: readonly string[];
  /** The items that are allowed. Default: all. */
  readonly choices?: readonly string[];
  /** One line of help. */
  readonly help: string;
}

/** The options of a stage, by name. */
export type StageOptionTable = Readonly<Record<string, OptionSpec | ListSpec>>;

/** The values that a table of a stage's options describes. */
export type StageValues<T extends StageOptionTable> = {
  readonly [K in keyof T]: T[K] extends ListSpec ? readonly string[] : T[K] extends OptionSpec ? ValueOf<T[K]> : never;
};

/** What a stage did to a text: gave it back, changed or not, with counts of what it replaced; or dropped it. */
export type StageResult =
  | { readonly text: string; readonly counts?: Readonly<Record<string, number>> }
  | { readonly dropped: string };

/** A stage at work. Stages that ask for the words of the same text share one scan of it. */
export type StageFunction = (text: string, scanner: WordScanner) => StageResult;

/** A stage of the cleaning of a text. */
export interface StageDefinition<T extends StageOptionTable = StageOptionTable> {
  /** One line of help. */
  readonly help: string;
  /** Its options with their defaults. */
  readonly options: T;
  /** The stage for options that were checked; what depends on them alone is computed here, once. */
  prepare(values: StageValues<T>): StageFunction;
}

/**
 * Values for every option of a stage: its defaults with the given ones over them.
 *
 * @throws {WeftError} at an unknown name and at a value of a wrong type or out of range, saying what is allowed.
 */
export function resolveStageOptions<T extends StageOptionTable>(
  table: T,
  given: Readonly<Record<string, unknown>>,
  source: string,
): StageValues<T> {
  const single: Record<string, OptionSpec> = {}, lists: Record<string, readonly string[]> = {};
  const rest: Record<string, unknown> = { ...given };
  for (const [name, spec] of Object.entries(table)) {
    if (spec.type !== "list") single[name] = spec;
    else {
      lists[name] = Object.hasOwn(given, name) ? parseList(`${source}: ${name}`, spec, given[name]) : spec.default;
      delete rest[name];
    }
  }
  for (const name of Object.keys(rest)) {
    if (Object.hasOwn(table, name)) continue;
    const near = nearestName(name, Object.keys(table)), names = Object.keys(table).join(", ");
    const hint = near ? `; did you mean ${near}?` : names ? `; its options are ${names}` : "; it has no options";
    throw new WeftError(`${source}: ${name} is not known${hint}`);
  }
  const values = resolveOptions(single as OptionTable, [{ source, values: rest }]);
  return { ...values, ...lists } as unknown as StageValues<T>;
}

function parseList(what: string, spec: ListSpec, given: unknown): readonly string[] {
  if (!Array.isArray(given) || given.some((item) => typeof item !== "string")) {
    throw new WeftError(`${what} is ${JSON.stringify(given)}: it must be a list of texts`);
  }
  const wrong = spec.choices && given.find((item) => !spec.choices!.includes(item));
  if (wrong !== undefined) {
    throw new WeftError(`${what} has ${JSON.stringify(wrong)}: its items must be among ${spec.choices!.join(", ")}`);
  }
  return given;
}

/**
 * One stage on one text: a function of the text and the options alone.
 *
 * @throws {WeftError} at options that the stage does not have or allow.
 *
 * @example
 * ```ts
 * import { runStage } from "./stage.ts";
 * import { gopherQuality } from "./gopher_quality.ts";
 * console.log(runStage(gopherQuality, "Too short.")); // { dropped: "fewer than 50 words" }
 * ```
 */
export function runStage<T extends StageOptionTable>(
  stage: StageDefinition<T>,
  text: string,
  options: { readonly [K in keyof StageValues<T>]?: StageValues<T>[K] } = {},
): StageResult {
  return stage.prepare(resolveStageOptions(stage.options, options, "options"))(text, new WordScanner());
}
