import { gopherQuality } from "./gopher_quality.ts";
import { gopherRepetition } from "./gopher_repetition.ts";
import { redact } from "./redact.ts";
import type { StageDefinition } from "./stage.ts";
import { unicode } from "./unicode.ts";

/** The stages that look at one document at a time, by the names that a pipeline gives them. */
export const documentStages = {
  unicode,
  gopher_quality: gopherQuality,
  gopher_repetition: gopherRepetition,
  redact,
} as unknown as Readonly<Record<string, StageDefinition>>; // of options that only `resolveStageOptions` knows
