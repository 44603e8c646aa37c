import { WeftError } from "./weft_error.ts";

const marked = /\/\* unroll \*\/ (for \(var (\w+) = 0u; \2 < (\w+); \2\+\+\) \{)/, most = 32;

/**
 * Writes out the rounds of loops that are marked `/* unroll *\/`, whose number is a constant, up to 32. The compiler of WGSL gives
 * each loop a counter beside its own, against endless ones, and an inner loop's goes on counting from one round of the outer
 * loop to the next: so drivers cannot unroll it themselves, and keep what it indexes in memory.
 */
export function unroll(label: string, source: string): string {
  let text = source;
  for (let match = marked.exec(text); match !== null; match = marked.exec(text)) {
    const [whole, head, variable, limit] = match, first = match.index + whole.length;
    const rounds = Number(new RegExp(`^const ${limit}: u32 = (\\d+)`, "m").exec(text)?.[1]);
    if (Number.isNaN(rounds)) break;
    let end = first;
    for (let depth = 1; depth > 0 && end < text.length; end++) {
      depth += text[end] === "{" ? 1 : text[end] === "}" ? -1 : 0;
    }
    const body = text.slice(first, end), oneLine = body.replace(/\/\/.*$/gm, "").replaceAll("\n", " ");
    const name = new RegExp(`\\b${variable}\\b`, "g");
    // The first keeps its lines, so that messages name the right ones.
    const written = Array.from({ length: rounds }, (_, i) => `{ ${(i === 0 ? body : oneLine).replace(name, `${i}u`)}`);
    text = text.slice(0, match.index) + (rounds > most ? head + body : written.join(" ")) + text.slice(end);
  }
  const left = /\/\*\s*unroll\s*\*\/.*/.exec(text)?.[0].trim();
  if (left === undefined) return text;
  const form = "/* unroll */ for (var i = 0u; i < COUNT; i++) {";
  throw new WeftError(
    `${label}: cannot unroll "${left}": it must begin "${form}", with a COUNT that is a const of type u32`,
  );
}
