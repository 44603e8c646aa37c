import { WeftError } from "../../engine/weft_error.ts";
import type { ReadReport } from "./read_report.ts";

/** After so many lines without a document at the very beginning, nobody need wait for the end of the file. */
export const fruitlessLines = 10_000;

/** Says so when not one line or row has a text: then the field is another, or the file is something else. */
export function checkFields(path: string, textField: string, { skipped }: ReadReport): void {
  const { no_text: noText, invalid_json: invalidJson } = skipped;
  if (noText !== undefined) {
    throw new WeftError(
      `${path} has no document: the field ${textField} is in none of them (${noText.examples[0]}); name the field of ` +
        `the text with text_field`,
    );
  }
  if (invalidJson !== undefined) {
    throw new WeftError(
      `${path} is not JSONL, one JSON object a line: not one of its lines is such (${invalidJson.examples[0]})`,
    );
  }
}
