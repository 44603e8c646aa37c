import { WeftError } from "../engine/weft_error.ts";

/**
 * A directory that one process at a time may write to: it holds a lock on the file `.lock` in it, which the system
 * releases when the process ends, however it does.
 */
export class DirectoryLock implements Disposable {
  #directory: string;
  #file: Deno.FsFile | undefined;

  private constructor(directory: string, file: Deno.FsFile) {
    this.#directory = directory;
    this.#file = file;
  }

  /**
   * Makes the directory where there is none, and takes it.
   *
   * @throws {WeftError} when another process has it, or it cannot be made.
   */
  static async take(directory: string): Promise<DirectoryLock> {
    await Deno.mkdir(directory, { recursive: true }).catch((error) => {
      throw new WeftError(`${directory} cannot be made: ${error.message}`);
    });
    const path = `${directory}/.lock`;
    while (true) {
      const file = await Deno.open(path, { read: true, write: true, create: true }).catch((error) => {
        throw new WeftError(`${path} cannot be written: ${error.message}`);
      });
      if (!await file.tryLock(true)) {
        file.close();
        throw new WeftError(
          `${directory} is being written by another process: wait for it, or choose another directory`,
        );
      }
      // Who had it before may have removed the file since it was opened; then the lock is on nothing.
      const [opened, named] = await Promise.all([file.stat(), Deno.stat(path).catch(() => undefined)]);
      if (named !== undefined && named.ino === opened.ino) return new DirectoryLock(directory, file);
      file.close();
    }
  }

  /** Lets go of the directory, and removes it when there is nothing in it. */
  [Symbol.dispose](): void {
    if (this.#file === undefined) return;
    // On Windows an open file cannot be removed: it stays, without a lock.
    for (const path of [`${this.#directory}/.lock`, this.#directory]) {
      try {
        Deno.removeSync(path);
      } catch {
        // it is not empty, or is gone already
      }
    }
    this.#file.close();
    this.#file = undefined;
  }
}
