import type { Example, StageStatistics } from "./statistics.ts";

/** What a report says besides the statistics. */
export interface ReportOptions {
  /** Its heading. Default: "Cleaning report". */
  readonly title?: string;
  /** Lines under it, such as the inputs and the time. */
  readonly notes?: readonly string[];
}

/**
 * The statistics of a pipeline as one HTML page without scripts or links: for each stage what came in, what it changed
 * and dropped, why, and the first examples.
 *
 * @example
 * ```ts
 * import { Cleaner, parsePipeline } from "./pipeline.ts";
 * import { cleaningReport } from "./report.ts";
 * const cleaner = new Cleaner(parsePipeline(["unicode", "redact"]));
 * cleaner.clean({ text: "Write to jane@example.com", source: "a.txt:1" });
 * console.log(cleaningReport(cleaner.statistics).includes("&lt;EMAIL&gt;")); // true
 * ```
 */
export function cleaningReport(statistics: readonly StageStatistics[], options: ReportOptions = {}): string {
  const { title = "Cleaning report", notes = [] } = options;
  const first = statistics[0], last = statistics.at(-1);
  const total = first && last
    ? `${count(last.documentsKept)} of ${count(first.documents)} documents stay (${
      percent(last.documentsKept, first.documents)
    }), ${size(last.bytesKept)} of ${size(first.bytes)} (${percent(last.bytesKept, first.bytes)}).`
    : "No stage has run.";
  return `<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)}</title>
<style>${style}</style>
<h1>${escape(title)}</h1>
${notes.map((note) => `<p class="note">${escape(note)}</p>\n`).join("")}<p>${total}</p>
${first ? overview(statistics, first) : ""}
${statistics.map(section).join("\n")}
</html>
`;
}

const style = `
:root { color-scheme: light dark; --line: #8884; --bar: #4a90d9; --lost: #d9694a; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .4rem; border-bottom: 1px solid var(--line); }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .25rem .6rem .25rem 0; }
th { font-weight: 600; border-bottom: 1px solid var(--line); } .n { text-align: right; font-variant-numeric: tabular-nums; }
.bar { width: 30%; } .bar span { display: block; background: var(--lost); height: .8rem; }
.bar span span { background: var(--bar); } .note { color: #888; margin: 0; }
details { margin: .4rem 0; } summary { cursor: pointer; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #8881; border-left: 3px solid var(--line);
  padding: .4rem .6rem; margin: .2rem 0; font-size: 13px; }
.before { border-color: var(--lost); } .after { border-color: var(--bar); }
.source { color: #888; font-size: 13px; margin: .6rem 0 0; }
`;

/** All stages in one table; bars go by the bytes of the whole corpus. */
function overview(statistics: readonly StageStatistics[], { bytes: whole }: StageStatistics): string {
  const rows = statistics.map((stage, i) => {
    const width = whole === 0 ? 0 : 100 * stage.bytes / whole;
    const kept = stage.bytes === 0 ? 0 : Math.min(100, 100 * stage.bytesKept / stage.bytes);
    const cells = [
      count(stage.documents),
      size(stage.bytes),
      count(stage.changed),
      count(stage.documents - stage.documentsKept),
      percent(stage.documents - stage.documentsKept, stage.documents),
      size(stage.bytesKept),
    ].map((cell) => `<td class="n">${cell}</td>`).join("");
    return `<tr><td><a href="#stage_${i}">${escape(stage.stage)}</a></td>${cells}` +
      `<td class="bar"><span style="width:${width.toFixed(2)}%"><span style="width:${
        kept.toFixed(2)
      }%"></span></span></td></tr>`;
  });
  const heads = ["documents in", "bytes in", "changed", "dropped", "", "bytes out"];
  return `<table><tr><th>stage</th>${heads.map((head) => `<th class="n">${head}</th>`).join("")}<th></th></tr>
${rows.join("\n")}</table>`;
}

function section(stage: StageStatistics, i: number): string {
  const parts = [`<h2 id="stage_${i}">${escape(stage.stage)}</h2>`];
  const counts = Object.entries(stage.counts).sort(([, a], [, b]) => b - a);
  if (counts.length > 0) {
    parts.push(`<p>Replaced: ${counts.map(([type, n]) => `${count(n)} ${escape(type)}`).join(", ")}.</p>`);
  }
  const reasons = Object.entries(stage.dropped).sort(([, a], [, b]) => b.documents - a.documents);
  for (const [reason, { documents, bytes }] of reasons) {
    const what = `dropped, ${reason}: ${plural(documents)}, ${size(bytes)} (${percent(documents, stage.documents)})`;
    parts.push(exampleList(what, stage.examples[reason] ?? []));
  }
  if (stage.changed > 0) parts.push(exampleList(`changed: ${plural(stage.changed)}`, stage.examples.changed ?? []));
  if (parts.length === 1) parts.push(`<p class="note">It let all pass as they were.</p>`);
  return parts.join("\n");
}

function exampleList(what: string, examples: readonly Example[]): string {
  const shown = examples.map(({ source, before, after }) =>
    `<p class="source">${escape(source)}</p><pre class="before">${escape(before)}</pre>` +
    (after === undefined ? "" : `<pre class="after">${escape(after)}</pre>`)
  );
  return `<details><summary>${escape(what)}</summary>${shown.join("")}</details>`;
}

const replacements: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => replacements[sign]);
}

function count(value: number): string {
  return value.toLocaleString("en");
}

function plural(documents: number): string {
  return `${count(documents)} document${documents === 1 ? "" : "s"}`;
}

function percent(part: number, whole: number): string {
  return whole === 0 ? "–" : `${(100 * part / whole).toFixed(1)} %`;
}

function size(bytes: number): string {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let power = 0, value = bytes;
  for (; value >= 999.5 && power < units.length - 1; power++) value /= 1000;
  return `${power === 0 ? value : value.toPrecision(3)} ${units[power]}`;
}
