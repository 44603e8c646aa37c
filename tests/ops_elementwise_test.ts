import { assertEquals, assertThrows } from "@std/assert";
import {
  add,
  copy,
  div,
  exp,
  fill,
  gelu,
  log,
  mul,
  pow,
  relu,
  scale,
  Scope,
  sigmoid,
  silu,
  sqrt,
  sub,
  tanh,
} from "../mod.ts";
import { type Tensor, tensor, WeftError } from "../mod.ts";
import { checkOp, checkPastLimit, gpuTest } from "./_check_op.ts";
import * as ref from "./_reference.ts";

type Unary = [string, (x: Tensor) => Tensor, (v: number) => number, [number, number]];
const logistic = (v: number) => 1 / (1 + Math.exp(-v));
const geluTanh = (v: number) => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)));
const geluErf = (v: number) => 0.5 * v * (1 + ref.erf(v / Math.SQRT2));
const unary: Unary[] = [
  ["scale", (x) => scale(x, -2.5, 0.75), (v) => -2.5 * v + 0.75, [-3, 3]],
  ["relu", relu, (v) => Math.max(v, 0), [-2, 2]],
  ["silu", silu, (v) => v * logistic(v), [-8, 8]],
  ["sigmoid", sigmoid, logistic, [-8, 8]],
  ["tanh", tanh, Math.tanh, [-4, 4]],
  ["exp", exp, Math.exp, [-4, 4]],
  ["log", log, Math.log, [0.1, 5]],
  ["sqrt", sqrt, Math.sqrt, [0.1, 5]],
  ["pow of a positive base", (x) => pow(x, 1.7), (v) => v ** 1.7, [0.1, 3]],
  ["pow with a whole exponent of a negative base", (x) => pow(x, 3), (v) => v ** 3, [-2, 2]],
  ["pow with an even exponent", (x) => pow(x, 2), (v) => v ** 2, [-2, 2]],
  ["pow with a negative exponent", (x) => pow(x, -1), (v) => 1 / v, [0.2, 2]],
  ["pow with exponent 0", (x) => pow(x, 0), () => 1, [-2, 2]],
  ["gelu by tanh", (x) => gelu(x, "tanh"), geluTanh, [-5, 5]],
  ["gelu by erf", (x) => gelu(x, "erf"), geluErf, [-5, 5]],
];
for (const [name, run, f, range] of unary) {
  for (const shape of [[1], [7], [3, 67]]) {
    checkOp(`${name} of (${shape})`, { inputs: [{ shape, range }], run, reference: (x) => ref.map(x, f) });
  }
}

const binary: [string, (a: Tensor, b: Tensor) => Tensor, (m: number, n: number) => number][] = [
  ["add", add, (m, n) => m + n],
  ["sub", sub, (m, n) => m - n],
  ["mul", mul, (m, n) => m * n],
  ["div", div, (m, n) => m / n],
];
const pairs: [number[], number[]][] = [[[1], [1]], [[5, 13], [5, 13]], [[4, 3, 7], [7]], [[], [3, 5]], [[
  6,
  1,
], [1, 9]], [
  [2, 1, 3, 1, 2],
  [1, 4, 1, 3, 1],
], [[3, 1, 5], [2, 3, 4, 1]]];
for (const [name, run, f] of binary) {
  for (const [a, b] of pairs) {
    checkOp(`${name} of (${a}) and (${b})`, {
      inputs: [{ shape: a }, { shape: b, range: [0.5, 2] }],
      run,
      reference: (m, n) => ref.zip(m, n, f),
    });
  }
}

checkOp("add of a tensor to itself", {
  inputs: [{ shape: [5] }],
  run: (x) => add(x, x),
  reference: (x) => ref.map(x, (v) => 2 * v),
});
checkOp("mul of a tensor by itself", {
  inputs: [{ shape: [5] }],
  run: (x) => mul(x, x),
  reference: (x) => ref.map(x, (v) => v * v),
});

gpuTest("elementwise kernels reach every element past 65,535 workgroups", async (gpu) => {
  using _ = new Scope(gpu);
  const size = 65_535 * 256 + 1_003; // vec4s in workgroups of 64
  const ones = fill(gpu, [size], 1), ramp = tensor(gpu, [0, 1, 2, 3, 4, 5, 6]);
  const values = await add(ones, ones).read();
  assertEquals(values.length, size);
  assertEquals(values.findIndex((v) => v !== 2), -1);
  const rows = 65_535 * 64 / 7 + 11; // scalars in workgroups of 64
  const stretched = await mul(fill(gpu, [Math.floor(rows), 7], 1), ramp).read();
  assertEquals(stretched.findIndex((v, i) => v !== i % 7), -1);
});

// Vec4s: 4 elements an invocation. The product's gradients meet at x, so accumulation is run as well.
checkPastLimit("copies, functions and sums of gradients", [4, 7], 7, (x) => mul(copy(x), gelu(tanh(x))));

gpuTest("tanh, sigmoid and gelu stay finite far out", async (gpu) => {
  using _ = new Scope(gpu);
  const x = tensor(gpu, [-1e4, -100, 0, 100, 1e4]);
  assertEquals([...await tanh(x).read()], [-1, -1, 0, 1, 1]);
  assertEquals([...await sigmoid(x).read()], [0, 0, 0.5, 1, 1].map((v, i) => i === 1 ? Math.fround(0) : v));
  assertEquals([...await gelu(x, "tanh").read()].map(Math.abs), [0, 0, 0, 100, 1e4]);
  assertEquals([...await gelu(x, "erf").read()].map(Math.abs), [0, 0, 0, 100, 1e4]);
});

gpuTest("pow of a negative base with a broken exponent is NaN", async (gpu) => {
  using _ = new Scope(gpu);
  assertEquals([...await pow(tensor(gpu, [-1, 4]), 0.5).read()], [NaN, 2]);
});

gpuTest("operands that do not broadcast are named with both shapes", (gpu) => {
  using _ = new Scope(gpu);
  assertThrows(
    () => add(tensor(gpu, [1, 2, 3]), tensor(gpu, [1, 2])),
    WeftError,
    "Cannot run add as a is (3) and b is (2): dimension -1 is 3 and 2, which must agree or be 1",
  );
  assertThrows(
    () => mul(tensor(gpu, [1]), tensor(gpu, new Int32Array([1]))),
    WeftError,
    "b is i32: it must be f32",
  );
  return Promise.resolve();
});
