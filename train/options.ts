import { WeftError } from "../engine/weft_error.ts";
import { nearestName } from "./nearest_name.ts";

/** What a value must be, and what it means. Numbers are whole unless `real`. */
export interface OptionSpec {
  /** Kind of value. */
  readonly type: "int" | "real" | "bool" | "string";
  /** The value when none is given; without one the option may be missing. */
  readonly default?: number | boolean | string;
  /** Smallest number that is allowed. */
  readonly min?: number;
  /** Largest number that is allowed. */
  readonly max?: number;
  /** Numbers must stay below it. */
  readonly below?: number;
  /** The strings that are allowed. Default: all. */
  readonly choices?: readonly string[];
  /** One line of help. */
  readonly help: string;
}

/** Options by name. */
export type OptionTable = Readonly<Record<string, OptionSpec>>;

/** The type of the values of an option. */
export type ValueOf<S extends OptionSpec> = S["type"] extends "int" | "real" ? number
  : S["type"] extends "bool" ? boolean
  : S["choices"] extends readonly string[] ? S["choices"][number]
  : string;

/** The values that a table of options describes. */
export type OptionValues<T extends OptionTable> = {
  readonly [K in keyof T]: T[K]["default"] extends number | boolean | string ? ValueOf<T[K]>
    : ValueOf<T[K]> | undefined;
};

/** Values from one place, such as a file or the command line. */
export interface OptionLayer {
  /** The place, as messages call it. */
  readonly source: string;
  /** Values by name; those of flags are strings. */
  readonly values: Readonly<Record<string, unknown>>;
}

/**
 * Values for every option of a table: the defaults, with each layer over those before it.
 *
 * @throws {WeftError} at an unknown name, naming the nearest known one, and at a value of a wrong type or out of range.
 */
export function resolveOptions<T extends OptionTable>(
  table: T,
  layers: readonly OptionLayer[],
): OptionValues<T> {
  const values: Record<string, unknown> = {};
  for (const [name, spec] of Object.entries(table)) values[name] = spec.default;
  for (const { source, values: given } of layers) {
    for (const [name, value] of Object.entries(given)) {
      if (!Object.hasOwn(table, name)) {
        const near = nearestName(name, Object.keys(table));
        throw new WeftError(`${source}: ${name} is not known${near ? `; did you mean ${near}?` : ""}`);
      }
      values[name] = parseValue(`${source}: ${name}`, table[name], value);
    }
  }
  return values as OptionValues<T>;
}

/** The table as lines of help, aligned. */
export function describeOptions(table: OptionTable): string {
  const rows = Object.entries(table).map(([name, spec]) => {
    const range = spec.min === undefined && spec.max === undefined ? "" : `; ${describeAllowed(spec)}`;
    const standard = spec.default === undefined || spec.default === "" ? "" : ` [${JSON.stringify(spec.default)}]`;
    return [`--${name}=${spec.choices ? spec.choices.join("|") : spec.type}`, spec.help + range + standard];
  });
  const width = Math.max(...rows.map(([head]) => head.length)) + 2;
  return rows.map(([head, help]) => `  ${head.padEnd(width)}${help}`).join("\n");
}

/** What a value may be, in words: `a whole number from 1`. */
export function describeAllowed(spec: OptionSpec): string {
  if (spec.choices) return `one of ${spec.choices.join(", ")}`;
  if (spec.type === "bool") return "true or false";
  if (spec.type === "string") return "a text";
  const bounds = [
    spec.min === undefined ? "" : ` from ${spec.min}`,
    spec.max === undefined ? "" : ` to ${spec.max}`,
    spec.below === undefined ? "" : ` to below ${spec.below}`,
  ];
  return (spec.type === "int" ? "a whole number" : "a number") + bounds.join("");
}

function parseValue(what: string, spec: OptionSpec, given: unknown): number | boolean | string {
  const value = typeof given === "string" ? fromText(spec, given.trim(), given) : given;
  if (!isAllowed(spec, value)) {
    const shown = typeof value === "number" ? String(given) : JSON.stringify(given);
    throw new WeftError(`${what} is ${shown}: it must be ${describeAllowed(spec)}`);
  }
  return value;
}

function fromText(spec: OptionSpec, text: string, original: string): unknown {
  if (spec.type === "string") return original;
  if (spec.type === "bool") {
    return ({ true: true, True: true, false: false, False: false } as Record<string, boolean>)[text];
  }
  return /^[+-]?(\d[\d_]*\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text.replaceAll("_", "")) : undefined;
}

function isAllowed(spec: OptionSpec, value: unknown): value is number | boolean | string {
  if (spec.type === "bool") return typeof value === "boolean";
  if (spec.type === "string") return typeof value === "string" && (spec.choices?.includes(value) ?? true);
  return typeof value === "number" && Number.isFinite(value) &&
    (spec.type === "real" || Number.isSafeInteger(value)) &&
    value >= (spec.min ?? -Infinity) && value <= (spec.max ?? Infinity) && value < (spec.below ?? Infinity);
}
