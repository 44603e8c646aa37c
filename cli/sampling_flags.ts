import { WeftError } from "../engine/weft_error.ts";
import type { SamplingOptions } from "../model/sampling.ts";
import type { OptionValues } from "../train/options.ts";

/** The flags that say how tokens are drawn, in the order in which they apply. */
export const samplingFlags = {
  logit_bias: { type: "string", default: "", help: "added to logits: JSON of token ids and numbers" },
  repetition_penalty: { type: "real", default: 1, min: 0.01, help: "above 1 repeats less of prompt and output" },
  frequency_penalty: { type: "real", default: 0, help: "taken off a logit for each time that the token was written" },
  presence_penalty: { type: "real", default: 0, help: "taken off a logit once the token was written" },
  temperature: { type: "real", default: 0.8, min: 0, help: "below 1 is more predictable; 0 takes the likeliest" },
  top_k: { type: "int", default: 200, min: 1, help: "only the k likeliest tokens are drawn" },
  top_p: {
    type: "real",
    default: 1,
    min: 1e-6,
    max: 1,
    help: "only the likeliest that have this probability together",
  },
  min_p: {
    type: "real",
    default: 0,
    min: 0,
    max: 1,
    help: "only those with this share of the likeliest one's probability",
  },
} as const;

/**
 * What the flags say.
 *
 * @throws {WeftError} when the logit biases are not JSON of numbers by token.
 */
export function samplingOf(values: OptionValues<typeof samplingFlags>): SamplingOptions {
  const { repetition_penalty, frequency_penalty, presence_penalty, temperature, top_k, top_p, min_p } = values;
  return {
    ...values.logit_bias === "" ? {} : { logitBias: parseBias(values.logit_bias) },
    repetitionPenalty: repetition_penalty,
    frequencyPenalty: frequency_penalty,
    presencePenalty: presence_penalty,
    temperature,
    topK: top_k,
    topP: top_p,
    minP: min_p,
  };
}

function parseBias(text: string): Record<number, number> {
  const value = parseJson(text), entries = Object.entries(value ?? {});
  if (entries.length === 0 || !entries.every(([id, bias]) => /^\d+$/.test(id) && typeof bias === "number")) {
    throw new WeftError(`--logit_bias is ${text}: it must be JSON such as {"198": -100, "11": 2.5}`);
  }
  return value as Record<number, number>;
}

/**
 * The texts of `--stop`: one, a JSON list of several, or none.
 *
 * @throws {WeftError} when a list holds anything but texts.
 */
export function parseStops(text: string): string[] {
  if (!text.startsWith("[")) return text === "" ? [] : [text];
  const list = parseJson(text);
  if (!Array.isArray(list) || !list.every((each) => typeof each === "string")) {
    throw new WeftError(`--stop is ${text}: a list must be JSON of texts, such as ["\\n\\n", "END"]`);
  }
  return list;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
