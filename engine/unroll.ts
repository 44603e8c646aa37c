const marked = /\/\* unroll \*\/ for \(var (\w+) = 0u; \1 < ([^;]+); \1\+\+\) \{/, most = 32;

/**
 * Writes out the rounds of loops that are marked `/* unroll *\/`, whose number is a product of literals and constants, up to 32.
 * The compiler of WGSL gives each loop a counter beside its own, against endless ones, and an inner loop's goes on counting
 * from one round of the outer loop to the next: so drivers cannot unroll it themselves, and keep what it indexes in memory.
 */
export function unroll(source: string): string {
  let text = source;
  for (let match = marked.exec(text); match !== null; match = marked.exec(text)) {
    const [head, variable, limit] = match, first = match.index + head.length;
    let end = first;
    for (let depth = 1; depth > 0; end++) depth += text[end] === "{" ? 1 : text[end] === "}" ? -1 : 0;
    const rounds = limit.split("*").map((factor) => valueOf(text, factor.trim())).reduce((a, b) => a * b, 1);
    const body = text.slice(first, end), oneLine = body.replace(/\/\/.*$/gm, "").replaceAll("\n", " ");
    const round = (i: number) =>
      `{ ${(i === 0 ? body : oneLine).replace(new RegExp(`\\b${variable}\\b`, "g"), `${i}u`)}`;
    // The first keeps its lines, so that messages name the right ones.
    const loop = rounds > most
      ? head.slice("/* unroll */ ".length) + body
      : Array.from({ length: rounds }, (_, i) => round(i)).join(" ");
    text = text.slice(0, match.index) + loop + text.slice(end);
  }
  return text;
}

/** The value of a literal such as `8u`, or of a constant. */
function valueOf(text: string, name: string): number {
  const literal = /^\d+/.exec(name)?.[0] ?? new RegExp(`^const ${name}: u32 = (\\d+)`, "m").exec(text)?.[1];
  if (literal === undefined) throw new Error(`Cannot unroll a loop of ${name} rounds`);
  return Number(literal);
}
