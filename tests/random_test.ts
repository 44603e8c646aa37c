import { assertEquals } from "@std/assert";
import { pcg4d, randomNormals, RandomStream, randomU32, randomUniform } from "../mod.ts";

/** The hash by its definition, on big integers. */
function pcg4dByDefinition(...words: number[]): number[] {
  const wrap = (v: bigint) => BigInt.asUintN(32, v);
  const v = words.map((word) => wrap(BigInt(word) * 1664525n + 1013904223n));
  const mix = () => {
    v[0] = wrap(v[0] + v[1] * v[3]);
    v[1] = wrap(v[1] + v[2] * v[0]);
    v[2] = wrap(v[2] + v[0] * v[1]);
    v[3] = wrap(v[3] + v[1] * v[2]);
  };
  mix();
  for (let i = 0; i < 4; i++) v[i] ^= v[i] >> 16n;
  mix();
  return v.map(Number);
}

Deno.test("pcg4d is the published hash", () => {
  for (const words of [[0, 0, 0, 0], [1, 2, 3, 4], [0xffffffff, 0x80000000, 7, 0x12345678]]) {
    assertEquals([...pcg4d(words[0], words[1], words[2], words[3])], pcg4dByDefinition(...words));
  }
});

Deno.test("uniform numbers fill 0 to 1 evenly", () => {
  const bins = new Array<number>(16).fill(0), n = 64_000;
  for (let i = 0; i < n; i++) bins[Math.floor(randomUniform(1337, 5, i) * 16)]++;
  const chiSquared = bins.reduce((sum, count) => sum + (count - n / 16) ** 2 / (n / 16), 0);
  if (chiSquared > 45) throw new Error(`chi-squared is ${chiSquared} with 15 degrees of freedom`); // p < 1e-4
});

Deno.test("normal numbers have the moments of a normal distribution", () => {
  const n = 200_001, values = randomNormals(n, { seed: 3, stream: 1, mean: 0.5, std: 2 });
  assertEquals(values.length, n);
  const mean = values.reduce((s, v) => s + v, 0) / n;
  const moment = (k: number) => values.reduce((s, v) => s + ((v - mean) / 2) ** k, 0) / n;
  for (
    const [what, got, want, error] of [["mean", mean, 0.5, 0.02], ["variance", moment(2), 1, 0.02], [
      "skewness",
      moment(3),
      0,
      0.03,
    ], ["kurtosis", moment(4), 3, 0.08]] as const
  ) {
    if (Math.abs(got - want) > error) throw new Error(`${what} is ${got}`);
  }
});

Deno.test("seeds, streams and indices give numbers that do not hang together", () => {
  const n = 20_000, base = (i: number) => randomUniform(1, 1, i) - 0.5;
  const others: [string, (i: number) => number][] = [
    ["next index", (i) => randomUniform(1, 1, i + 1) - 0.5],
    ["next stream", (i) => randomUniform(1, 2, i) - 0.5],
    ["next seed", (i) => randomUniform(2, 1, i) - 0.5],
    ["high word of the seed", (i) => randomUniform(1 + 2 ** 40, 1, i) - 0.5],
  ];
  for (const [what, other] of others) {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += 12 * base(i) * other(i);
    const sigmas = Math.abs(sum) / Math.sqrt(n);
    if (sigmas > 4.5) throw new Error(`${what}: correlated by ${sigmas} sigma`);
  }
});

Deno.test("the same key gives the same number, and a stream can go on from its counter", () => {
  assertEquals(randomU32(7, 8, 9), randomU32(7, 8, 9));
  const stream = new RandomStream(5);
  stream.next();
  stream.next();
  assertEquals(new RandomStream(5, stream.counter).next(), stream.next());
});
