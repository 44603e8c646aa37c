import { assertEquals } from "@std/assert";
import { describeError } from "../cli/run_command.ts";

Deno.test("a full disk and a permission that is missing are told from a defect", () => {
  const full = Object.assign(new Error("No space left on device (os error 28)\n  at writing"), { code: "ENOSPC" });
  assertEquals(describeError(full), "error: the disk is full: No space left on device (os error 28)");
  const denied = describeError(new Deno.errors.NotCapable('Requires net access to "a.org"\nmore'));
  assertEquals(denied.startsWith('error: Deno was not given a permission: Requires net access to "a.org"'), true);
  assertEquals(describeError("thrown text"), "internal error: thrown text");
});
