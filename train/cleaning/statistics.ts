import type { Document } from "./document.ts";

/** Examples that are kept for each reason of each stage: the first ones of the corpus. */
const examplesPerReason = 3;

/** UTF-16 units of a text that an example shows. */
const excerptLength = 240;

/** A document that a stage dropped or changed, shortened. */
export interface Example {
  /** Where it is from. */
  readonly source: string;
  /** The text before the stage, around the place of the first change. */
  readonly before: string;
  /** The same place after the stage, of a text that was changed. */
  readonly after?: string;
}

/** What one stage did. Sizes are bytes of UTF-8. */
export interface StageStatistics {
  /** The stage's name. */
  readonly stage: string;
  /** Documents that came in. */
  documents: number;
  /** Their bytes. */
  bytes: number;
  /** Documents that left it. */
  documentsKept: number;
  /** Their bytes, as it left them. */
  bytesKept: number;
  /** How many of these it changed. */
  changed: number;
  /** What it dropped, by reason. */
  readonly dropped: Record<string, { documents: number; bytes: number }>;
  /** What it replaced, by type, where it counts that. */
  readonly counts: Record<string, number>;
  /** The first examples by reason; those of changes under "changed". */
  readonly examples: Record<string, Example[]>;
}

/** Statistics of a stage that has seen nothing. */
export function emptyStatistics(stage: string): StageStatistics {
  return {
    stage,
    documents: 0,
    bytes: 0,
    documentsKept: 0,
    bytesKept: 0,
    changed: 0,
    dropped: {},
    counts: {},
    examples: {},
  };
}

/** Counts a document that a stage lets through, `text` being what it is now. */
export function countKept(
  statistics: StageStatistics,
  document: Document,
  bytes: number,
  text: string,
  counts?: Readonly<Record<string, number>>,
): number {
  const changed = text !== document.text, bytesKept = changed ? utf8Length(text) : bytes;
  statistics.documents++;
  statistics.bytes += bytes;
  statistics.documentsKept++;
  statistics.bytesKept += bytesKept;
  for (const [type, count] of Object.entries(counts ?? {})) {
    statistics.counts[type] = (statistics.counts[type] ?? 0) + count;
  }
  if (changed) {
    statistics.changed++;
    if ((statistics.examples.changed?.length ?? 0) < examplesPerReason) {
      const at = Math.max(0, firstDifference(document.text, text) - excerptLength / 4);
      const { source, text: before } = document;
      (statistics.examples.changed ??= []).push({ source, before: excerpt(before, at), after: excerpt(text, at) });
    }
  }
  return bytesKept;
}

/** Counts a document that a stage drops. */
export function countDropped(statistics: StageStatistics, document: Document, bytes: number, reason: string): void {
  statistics.documents++;
  statistics.bytes += bytes;
  const dropped = statistics.dropped[reason] ??= { documents: 0, bytes: 0 };
  dropped.documents++;
  dropped.bytes += bytes;
  const examples = statistics.examples[reason] ??= [];
  if (examples.length < examplesPerReason) {
    examples.push({ source: document.source, before: excerpt(document.text, 0) });
  }
}

/** Adds the statistics of later documents; those of the same stages, in the same order. */
export function addStatistics(into: readonly StageStatistics[], more: readonly StageStatistics[]): void {
  for (const [i, from] of more.entries()) {
    const sum = into[i];
    sum.documents += from.documents;
    sum.bytes += from.bytes;
    sum.documentsKept += from.documentsKept;
    sum.bytesKept += from.bytesKept;
    sum.changed += from.changed;
    for (const [reason, { documents, bytes }] of Object.entries(from.dropped)) {
      const dropped = sum.dropped[reason] ??= { documents: 0, bytes: 0 };
      dropped.documents += documents;
      dropped.bytes += bytes;
    }
    for (const [type, count] of Object.entries(from.counts)) sum.counts[type] = (sum.counts[type] ?? 0) + count;
    for (const [reason, examples] of Object.entries(from.examples)) {
      const all = sum.examples[reason] ??= [];
      all.push(...examples.slice(0, examplesPerReason - all.length));
    }
  }
}

/** Bytes of a text in UTF-8. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    // two bytes from U+0080, three from U+0800; the two halves of a pair have four, and a lone one becomes U+FFFD
    if (unit >= 0x80) bytes += unit < 0x800 ? 1 : 2;
    if (unit >= 0xdc00 && unit < 0xe000 && i > 0 && (text.charCodeAt(i - 1) & 0xfc00) === 0xd800) bytes -= 2;
  }
  return bytes;
}

function firstDifference(a: string, b: string): number {
  let at = 0;
  while (at < a.length && a.charCodeAt(at) === b.charCodeAt(at)) at++;
  return at;
}

function excerpt(text: string, at: number): string {
  const start = Math.min(at, Math.max(0, text.length - excerptLength)), end = start + excerptLength;
  return ((start > 0 ? "…" : "") + text.slice(start, end) + (end < text.length ? "…" : "")).toWellFormed();
}
