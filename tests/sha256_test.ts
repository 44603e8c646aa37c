import { assertEquals } from "@std/assert";
import { Sha256 } from "../train/sha256.ts";

Deno.test("SHA-256 in pieces is SHA-256 of the whole, at every length around the ends of blocks", async () => {
  const bytes = new Uint8Array(70_000).map((_, i) => i * 7 + (i >> 8) * 13);
  for (const length of [0, 1, 3, 55, 56, 57, 63, 64, 65, 119, 120, 127, 128, 129, 1000, 70_000]) {
    const expected = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes.subarray(0, length))).toHex();
    for (const piece of [1, 7, 63, 64, 65, 1000, 70_000]) {
      const hash = new Sha256();
      for (let at = 0; at < length; at += piece) hash.update(bytes.subarray(at, Math.min(at + piece, length)));
      assertEquals(hash.hex(), expected, `${length} bytes in pieces of ${piece}`);
    }
  }
});
