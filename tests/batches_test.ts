import { assertEquals, assertThrows } from "@std/assert";
import { Batches, splitTokens, WeftError } from "../mod.ts";

const ramp = (n: number) => new Int32Array(n).map((_, i) => i);

Deno.test("the split is at the floor of nine tenths", () => {
  const { train, validation } = splitTokens(ramp(1_115_394));
  assertEquals([train.length, validation.length], [1_003_854, 111_540]); // as for Tiny Shakespeare
  assertEquals([train[0], validation[0]], [0, 1_003_854]);
});

Deno.test("targets are the inputs shifted by one, and every chunk can be drawn", () => {
  const batches = new Batches(ramp(12), { batchSize: 50, blockSize: 4, seed: 1 });
  const starts = new Set<number>();
  for (let index = 0; index < 20; index++) {
    const { x, y } = batches.at(index);
    assertEquals([x.length, y.length], [200, 200]);
    for (let i = 0; i < x.length; i++) {
      assertEquals(y[i], x[i] + 1);
      if (i % 4 === 0) starts.add(x[i]);
      else assertEquals(x[i], x[i - 1] + 1);
    }
  }
  assertEquals([...starts].sort((a, b) => a - b), [0, 1, 2, 3, 4, 5, 6, 7]);
});

Deno.test("a batch is a function of seed, stream and number", () => {
  const options = { batchSize: 4, blockSize: 8, seed: 5, stream: 2 };
  const first = new Batches(ramp(1000), options), second = new Batches(ramp(1000), options);
  first.at(3);
  assertEquals(first.at(7), second.at(7));
  for (const other of [{ ...options, seed: 6 }, { ...options, stream: 3 }]) {
    assertEquals(new Batches(ramp(1000), other).at(7).x.join() === first.at(7).x.join(), false);
  }
  assertEquals(first.at(7).x.join() === first.at(8).x.join(), false);
});

Deno.test("a text shorter than a block is refused with both numbers", () => {
  const options = { batchSize: 1, blockSize: 8, seed: 1, name: "text to validate on" };
  assertThrows(
    () => new Batches(ramp(8), options),
    WeftError,
    "The text to validate on has 8 tokens: block_size 8 needs at least 9",
  );
  assertEquals(new Batches(ramp(9), options).at(0).x, ramp(8)); // the shortest that does
});

Deno.test("a permutation has every chunk once in an epoch, in another order in the next", () => {
  for (const n of [1, 2, 3, 16, 17, 100]) {
    const batches = new Batches(ramp(4 * n + 3), { batchSize: 1, blockSize: 4, seed: 3, order: "permutation" });
    const epoch = (e: number) =>
      Array.from({ length: batches.chunks }, (_, i) => batches.at(e * batches.chunks + i).x[0]);
    assertEquals(batches.chunks, n); // three tokens are left over, one is a target alone
    for (const e of [0, 1]) {
      assertEquals(epoch(e).sort((a, b) => a - b), Array.from({ length: n }, (_, i) => 4 * i));
    }
    if (n >= 16) assertEquals(epoch(0).join() === epoch(1).join(), false);
    if (n >= 16) assertEquals(epoch(0).join() === epoch(0).sort((a, b) => a - b).join(), false);
  }
});

Deno.test("a permutation leaves out nothing but what fills no chunk, and its targets go on into the next one", () => {
  const batches = new Batches(ramp(9), { batchSize: 2, blockSize: 4, seed: 1, order: "permutation" });
  const { x, y } = batches.at(0);
  assertEquals([...x].sort(), [0, 1, 2, 3, 4, 5, 6, 7]);
  assertEquals([...y].sort(), [1, 2, 3, 4, 5, 6, 7, 8]);
});

Deno.test("chunks of a seed stay what they were: runs of earlier versions go on with them", () => {
  for (
    const [order, seed, starts] of [
      ["random", 1, [57438, 85014, 68187, 11655, 52246]],
      ["random", 2 ** 40 + 3, [51808, 88535, 55938, 44838, 49429]],
      ["permutation", 1, [19669, 82161, 81872, 3655, 23715]],
      ["permutation", 2 ** 40 + 3, [18411, 97631, 47158, 86836, 14382]],
    ] as const
  ) {
    const batches = new Batches(ramp(100_003), { batchSize: 1, blockSize: 17, seed, stream: 2, order });
    assertEquals([0, 1, 2, 5882, 2 ** 34].map((i) => batches.at(i).x[0]), [...starts]);
  }
});
