import { assertEquals, assertThrows } from "@std/assert";
import { unroll } from "../engine/unroll.ts";
import { WeftError } from "../mod.ts";

const spaces = (text: string) => text.replaceAll(/\s+/g, " ").trim();

Deno.test("a marked loop is written out, and lines stay where they are", () => {
  const text = `const D: u32 = 3;  // tunable
const TWO: u32 = 2;
fn main() {
  /* unroll */ for (var d = 0u; d < D; d++) {
    let at = d + ad;  // d is not ad
    sum += x[at] * v.d0;
  }
  /* unroll */ for (var i = 0u; i < TWO; i++) { a[i] = 0.0; }
  for (var d = 0u; d < D; d++) { b[d] = 0.0; }
}
`;
  const written = unroll("x.wgsl/main", text), round = (d: number) => `{ let at = ${d}u + ad; sum += x[at] * v.d0; }`;
  assertEquals(
    spaces(written.replace(/\/\/.*$/gm, "")),
    spaces(
      `const D: u32 = 3; const TWO: u32 = 2; fn main() { ${round(0)} ${round(1)} ${
        round(2)
      } { a[0u] = 0.0; } { a[1u] = 0.0; }
      for (var d = 0u; d < D; d++) { b[d] = 0.0; } }`,
    ),
  );
  const lineOf = (text: string, part: string) => text.slice(0, text.indexOf(part)).split("\n").length;
  for (const part of ["sum +=", "] = 0.0; }", "for (var d = 0u; d < D; d++) { b"]) {
    assertEquals(lineOf(written, part), lineOf(text, part), part);
  }
  assertEquals(written.split("\n").length, text.split("\n").length);
});

Deno.test("loops within loops are written out", () => {
  const text = "const R: u32 = 2;\n/* unroll */ for (var r = 0u; r < R; r++) { " +
    "/* unroll */ for (var i = 0u; i < R; i++) { s[r * 2u + i] = r; } }";
  const rounds = [0, 1].map((r) => `{ ${[0, 1].map((i) => `{ s[${r}u * 2u + ${i}u] = ${r}u; }`).join(" ")} }`);
  assertEquals(spaces(unroll("x.wgsl/main", text)), `const R: u32 = 2; ${rounds.join(" ")}`);
});

Deno.test("loops of more than 32 rounds stay loops", () => {
  const loop = "for (var i = 0u; i < R; i++) { f(i); }";
  assertEquals(unroll("x.wgsl/main", `const R: u32 = 33;\n/* unroll */ ${loop}`), `const R: u32 = 33;\n${loop}`);
  assertEquals(unroll("x.wgsl/main", `const R: u32 = 32;\n/* unroll */ ${loop}`).match(/f\(\d+u\)/g)?.length, 32);
});

Deno.test("a marked loop that cannot be written out is one clear line", () => {
  for (
    const loop of [
      "for (var i = 0u; i < p.K; i++) { f(i); }",
      "for (var i = 0u; i < UNKNOWN; i++) { f(i); }",
      "for (var i: u32 = 0u; i < R; i++) { f(i); }",
      "for (var i = 1u; i < R; i++) { f(i); }",
    ]
  ) {
    const text = `const R: u32 = 4;\nfn main() {\n  /* unroll */ ${loop}\n}`;
    const error = assertThrows(
      () => unroll("x.wgsl/main", text),
      WeftError,
      'x.wgsl/main: cannot unroll "/* unroll */ for (',
    );
    assertEquals(error.message.includes("\n"), false);
  }
  unroll("x.wgsl/main", "const R: u32 = 2;\n/* unroll */ for (var i = 0u; i < R; i++) { f(i);"); // the compiler says what is missing
});
