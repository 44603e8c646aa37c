import { assertEquals } from "@std/assert";
import { formatCount } from "../cli/format.ts";

Deno.test("a count that is rounded up to 1000 takes the next unit", () => {
  assertEquals([999.4, 999.5, 999_499, 999_999, 999_999_999].map(formatCount), [
    "999",
    "1.00k",
    "999k",
    "1.00M",
    "1.00G",
  ]);
  assertEquals(formatCount(1e15), "1000T"); // there is no next unit
});
