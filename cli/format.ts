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
  let value = count, power = 0;
  // From 999.5 on a value would be rounded to 1000, which is 1.00 of the next unit.
  for (; value >= 999.5 && power < units.length - 1; power++) value /= 1000;
  return (power === 0 || value >= 999.5 ? String(Math.round(value)) : value.toPrecision(3)) + units[power];
}
