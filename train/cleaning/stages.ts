import { blocklist } from "./blocklist.ts";
import { boilerplate, c4Quality } from "./c4_quality.ts";
import { contamination } from "./contamination.ts";
import { gopherQuality } from "./gopher_quality.ts";
import { gopherRepetition } from "./gopher_repetition.ts";
import { html } from "./html.ts";
import { language } from "./language.ts";
import { mojibake } from "./mojibake.ts";
import { redact } from "./redact.ts";
import type { StageDefinition } from "./stage.ts";
import { unicode } from "./unicode.ts";

/** The stages that look at one document at a time, by the names that a pipeline gives them, in an order that makes sense. */
export const documentStages = {
  mojibake,
  html,
  unicode,
  boilerplate,
  language,
  gopher_quality: gopherQuality,
  gopher_repetition: gopherRepetition,
  c4_quality: c4Quality,
  blocklist,
  contamination,
  redact,
} as unknown as Readonly<Record<string, StageDefinition>>; // of options that only `resolveStageOptions` knows
