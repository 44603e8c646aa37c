import { type TexelForm, texelsPerRow } from "./buffer_pool.ts";

const readArrays = /@binding\((\d+)\)\s*var<storage,\s*read>\s*(\w+)\s*:\s*array<\s*(\w+)(?:<\s*(\w+)\s*>)?\s*>\s*;/g;

/** How many floats an element of an array has: 1, 2 or 4; 0 where it is of another type. */
function width(text: string, type: string, of: string | undefined): number {
  if (type === "vec4f" || type === "vec2f") return Number(type[3]);
  const isFloat = (of ?? type) === "f32" || new RegExp(`^alias ${of ?? type} = f(32|16);`, "m").test(text);
  return !isFloat ? 0 : of === undefined ? 1 : type === "vec4" ? 4 : 0;
}

/** The names of the storage variables of floats that a shader only reads: what may be a texture instead. */
export function texelNames(source: string): ReadonlySet<string> {
  const text = source.replace(/\/\/.*$/gm, "");
  // What names it otherwise may be another variable of that name, or a pointer to it.
  const count = (pattern: string) => [...text.matchAll(new RegExp(pattern, "g"))].length;
  const isAlone = (name: string) => {
    const named = `(?<![\\w.])${name}`, plain = count(`${named}\\[`) + count(`arrayLength\\(&${name}\\)`);
    return count(`${named}(?!\\w)`) === 1 + plain; // with its declaration
  };
  const names = [...text.matchAll(readArrays)].filter(([, , , type, of]) => width(text, type, of) > 0).map((m) => m[2]);
  return new Set(names.filter(isAlone));
}

/** Makes a texture of a storage variable, its elements four to a texel, its rows one after another. What is loaded is f32. */
export function withTexels(source: string, name: string, form: TexelForm): string {
  const indexed = new RegExp(`(?<![\\w.])${name}\\[`), text = source.replace(/\/\/.*$/gm, "");
  let elements = 1; // of a texel
  return withCalls(text, indexed, `texel_of_${name}`).replace(
    readArrays,
    (declaration, binding, variable, type, of) => {
      if (variable !== name) return declaration;
      const one = width(text, type, of), result = one === 1 ? "f32" : `vec${one}f`;
      elements = 4 / one;
      const part = one === 1 ? "four[i % 4u]" : one === 2 ? "select(four.xy, four.zw, i % 2u == 1u)" : "four";
      return `@binding(${binding}) var ${name}: texture_storage_2d<${form}, read>; ` +
        `fn texel_of_${name}(i: u32) -> ${result} { let at = i / ${elements}u; ` +
        `let four = textureLoad(${name}, vec2u(at % ${texelsPerRow}u, at / ${texelsPerRow}u)); return ${part}; }`;
    },
  ).replaceAll(`arrayLength(&${name})`, `(textureDimensions(${name}).y * ${texelsPerRow * elements}u)`);
}

/** Makes calls of what is indexed: `name[i]` becomes `call(i)`. */
function withCalls(text: string, indexed: RegExp, call: string): string {
  let done = "";
  for (let match = indexed.exec(text); match !== null; match = indexed.exec(text)) {
    const first = match.index + match[0].length;
    let end = first;
    for (let depth = 1; depth > 0 && end < text.length; end++) {
      depth += text[end] === "[" ? 1 : text[end] === "]" ? -1 : 0;
    }
    done += `${text.slice(0, match.index)}${call}(${withCalls(text.slice(first, end - 1), indexed, call)})`;
    text = text.slice(end);
  }
  return done + text;
}
