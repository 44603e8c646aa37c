/** Why something was not read. */
export const skipReasons = {
  empty_file: "files without a document",
  empty_document: "documents without text",
  too_large: "documents larger than is allowed",
  invalid_utf8: "documents that are not UTF-8",
  invalid_json: "lines that are no JSON object",
  no_text: "documents without the field of the text",
  damaged_file: "files whose content is damaged or cut off",
} as const;

/** Name of a reason why something was not read. */
export type SkipReason = keyof typeof skipReasons;

/** What was read and what was not. It is plain data, so that it can be stored and counted on from. */
export interface ReadReport {
  /** Files that were read to their end. */
  files: number;
  /** Bytes that were read, as they are on the disk. */
  bytes: number;
  /** How many of these are of files before the one that is being read. */
  bytesBefore: number;
  /** Documents that were given out. */
  documents: number;
  /** How often something was left out, and the first few places with what was wrong there. */
  readonly skipped: { [reason in SkipReason]?: { count: number; readonly examples: string[] } };
}

const maxExamples = 5;

/** A report of nothing yet. */
export function emptyReadReport(): ReadReport {
  return { files: 0, bytes: 0, bytesBefore: 0, documents: 0, skipped: {} };
}

/** Counts something that was left out, or `count` of them, and remembers the place if it is one of the first. */
export function countSkipped(report: ReadReport, reason: SkipReason, example: string, count = 1): void {
  const skipped = report.skipped[reason] ??= { count: 0, examples: [] };
  skipped.count += count;
  if (skipped.examples.length < maxExamples) skipped.examples.push(example);
}

/** The lines of a report for a reader: counts, and under each reason its first places. */
export function describeReadReport(report: ReadReport): string {
  const lines = [`${report.documents} documents from ${report.files} files, ${report.bytes} bytes`];
  for (const [reason, label] of Object.entries(skipReasons)) {
    const skipped = report.skipped[reason as SkipReason];
    if (skipped === undefined) continue;
    lines.push(`left out: ${skipped.count} ${label}`, ...skipped.examples.map((example) => `  ${example}`));
  }
  return lines.join("\n");
}
