import { assertEquals } from "@std/assert";
import { Xxh32 } from "../train/xxh32.ts";

const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i * 167 + (i >> 3));

function hashOf(...pieces: Uint8Array[]): string {
  const hash = new Xxh32();
  for (const piece of pieces) hash.update(piece);
  return hash.hex();
}

Deno.test("known hashes", () => {
  const known: [string, string][] = [
    ["", "02cc5d05"],
    ["a", "550d7456"],
    ["abc", "32d153ff"],
    ["Nobody inspects the spammish repetition", "e2293b2f"],
  ];
  for (const [text, hash] of known) assertEquals(hashOf(new TextEncoder().encode(text)), hash, text);
});

Deno.test("it makes no difference in what pieces and from what offsets bytes come", () => {
  for (let length = 0; length < 100; length++) {
    const whole = hashOf(bytes.slice(0, length));
    for (let cut = 0; cut <= length; cut += 1 + (length >> 4)) {
      assertEquals(hashOf(bytes.subarray(0, cut), bytes.subarray(cut, length)), whole, `${cut} of ${length}`);
    }
  }
  assertEquals(hashOf(...Array.from({ length: 334 }, (_, i) => bytes.subarray(3 * i, 3 * i + 3))), hashOf(bytes));
});

Deno.test("every flipped bit and every length has another hash", () => {
  const seen = new Set<string>();
  for (let length = 0; length <= 70; length++) seen.add(hashOf(bytes.slice(0, length)));
  assertEquals(seen.size, 71);
  const some = bytes.slice(0, 70);
  for (let bit = 0; bit < 8 * some.length; bit++) {
    some[bit >> 3] ^= 1 << (bit & 7);
    seen.add(hashOf(some));
    some[bit >> 3] ^= 1 << (bit & 7);
  }
  assertEquals(seen.size, 71 + 560);
});
