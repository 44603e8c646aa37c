import { assertEquals, assertThrows } from "@std/assert";
import { unroll } from "../engine/unroll.ts";

const spaces = (text: string) => text.replaceAll(/\s+/g, " ").trim();

Deno.test("a marked loop is written out, and lines stay where they are", () => {
  const text = `const D: u32 = 3;  // tunable
fn main() {
  /* unroll */ for (var d = 0u; d < D; d++) {
    let at = d + ad;  // d is not ad
    sum += x[at] * v.d0;
  }
  /* unroll */ for (var i = 0u; i < 2u; i++) { a[i] = 0.0; }
  for (var d = 0u; d < D; d++) { b[d] = 0.0; }
}
`;
  const written = unroll(text), round = (d: number) => `{ let at = ${d}u + ad; sum += x[at] * v.d0; }`;
  assertEquals(
    spaces(written.replace(/\/\/.*$/gm, "")),
    spaces(`const D: u32 = 3; fn main() { ${round(0)} ${round(1)} ${round(2)} { a[0u] = 0.0; } { a[1u] = 0.0; }
      for (var d = 0u; d < D; d++) { b[d] = 0.0; } }`),
  );
  const lineOf = (text: string, part: string) => text.slice(0, text.indexOf(part)).split("\n").length;
  for (const part of ["sum +=", "] = 0.0; }", "for (var d = 0u; d < D; d++) { b"]) {
    assertEquals(lineOf(written, part), lineOf(text, part), part);
  }
  assertEquals(written.split("\n").length, text.split("\n").length);
});

Deno.test("loops within loops are written out, and counts are products", () => {
  const text = "const R: u32 = 2;\n/* unroll */ for (var r = 0u; r < R; r++) { " +
    "/* unroll */ for (var i = 0u; i < R * 2u; i++) { s[r * 4u + i] = r; } }";
  const rounds = [0, 1].map((r) => `{ ${[0, 1, 2, 3].map((i) => `{ s[${r}u * 4u + ${i}u] = ${r}u; }`).join(" ")} }`);
  assertEquals(spaces(unroll(text)), `const R: u32 = 2; ${rounds.join(" ")}`);
});

Deno.test("loops of more than 32 rounds stay loops; those of unknown length are an error", () => {
  const loop = (rounds: string) => `for (var i = 0u; i < ${rounds}; i++) { f(i); }`;
  assertEquals(unroll(`/* unroll */ ${loop("33u")} ${loop("2u")}`), `${loop("33u")} ${loop("2u")}`);
  assertEquals(unroll(`/* unroll */ ${loop("32u")}`).match(/f\(\d+u\)/g)?.length, 32);
  assertThrows(() => unroll(`/* unroll */ ${loop("p.K")}`), Error, "Cannot unroll a loop of p.K rounds");
});
