/**
 * An error that a user can act on: one clear line that says what went wrong, where, and what is allowed.
 * The command line prints its message alone and exits with code 1; every other error is a defect of Weft.
 *
 * @example
 * ```ts
 * import { WeftError } from "./weft_error.ts";
 * try {
 *   throw new WeftError("block_size is 0: it must be a whole number of at least 1");
 * } catch (error) {
 *   if (!(error instanceof WeftError)) throw error;
 *   console.log(error.message);
 * }
 * ```
 */
export class WeftError extends Error {
  /** Always "WeftError". */
  override name = "WeftError";
}
