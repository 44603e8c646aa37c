import type { DownloadProgress } from "../train/download.ts";
import { formatCount, formatDuration } from "./format.ts";
import type { Progress } from "./progress.ts";

/** A line of progress, often on a terminal and now and then in a pipe. */
export function showDownload(progress: Progress, name: string): (state: DownloadProgress) => void {
  const interval = Deno.stdout.isTerminal() ? 200 : 10_000;
  let shown = performance.now(), first: { bytes: number; time: number } | undefined;
  return ({ phase, bytes, total }) => {
    const time = performance.now();
    if (phase === "downloading") first ??= { bytes, time };
    if (time - shown < interval) return;
    shown = time;
    const of = total === undefined ? "" : ` of ${formatCount(total)}B, ${(bytes / total * 100).toFixed(1)}%`;
    const speed = first && (bytes - first.bytes) / (time - first.time) * 1000;
    const pace = !speed ? "" : `  ${formatCount(speed)}B/s` +
      (total === undefined ? "" : `  ${formatDuration((total - bytes) / speed)} left`);
    progress.update(`${phase} ${name}: ${formatCount(bytes)}B${of}${pace}`);
  };
}
