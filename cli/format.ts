/** A time span for a reader: `1h 02m`, `3m 05s`, `12s`. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (h > 0) return `${h}h ${String(m).padStart(2, "0")}m`;
  return m > 0 ? `${m}m ${String(s).padStart(2, "0")}s` : `${s}s`;
}

/** A number with three digits and a unit: `950`, `12.3k`, `1.50M`, `67.0G`. */
export function formatCount(count: number): string {
  const units = ["", "k", "M", "G", "T"];
  const power = count < 1000 ? 0 : Math.min(Math.floor(Math.log10(count) / 3), units.length - 1);
  return power === 0 ? String(Math.round(count)) : (count / 1000 ** power).toPrecision(3) + units[power];
}
