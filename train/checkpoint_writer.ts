import { type CheckpointParts, saveCheckpoint, type SaveOptions } from "./checkpoint.ts";

/**
 * Writes checkpoints while training goes on: one at a time, each from a copy of the parameters and moments, in a thread of
 * its own.
 */
export class CheckpointWriter {
  #writing: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;

  /**
   * Begins to write a checkpoint, once the one before is written. Resolves when parameters and moments may be changed.
   *
   * @throws {WeftError} when this one or the one before cannot be written.
   */
  async save(directory: string, parts: CheckpointParts, options: Omit<SaveOptions, "onCopied"> = {}): Promise<void> {
    await this.finish();
    const { promise: copied, resolve: onCopied } = Promise.withResolvers<void>();
    this.#writing = saveCheckpoint(directory, parts, { ...options, onCopied });
    this.#writing.catch((error) => this.#failure = { error });
    await Promise.race([copied, this.#writing]);
  }

  /** Throws what kept the last checkpoint from being written, if it is known by now. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /**
   * Waits until the last checkpoint is written.
   *
   * @throws {WeftError} when it cannot be.
   */
  async finish(): Promise<void> {
    await this.#writing;
  }
}
