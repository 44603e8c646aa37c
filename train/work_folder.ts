import { WeftError } from "../engine/weft_error.ts";
import { DirectoryLock } from "./directory_lock.ts";
import { fillSync, removeIfThere, writeAllSync } from "./files.ts";

const progressName = "progress.json", lockName = ".lock";

/** What `progress.json` holds. */
interface Progress<State> {
  readonly key: string;
  /** How long each file was. */
  readonly lengths: Readonly<Record<string, number>>;
  readonly state: State;
}

/**
 * Files that only grow, and what had been done when they were that long: work of hours that a kill does not undo. `save`
 * waits until the disk has the files and then replaces the note of where the work stands. Whoever opens the folder for the
 * same work finds them as they were then; what was added later is cut off.
 *
 * @example
 * ```ts
 * import { WorkFolder } from "./work_folder.ts";
 * const path = await Deno.makeTempDir();
 * for (const before of [undefined, 1]) {
 *   using work = await WorkFolder.open<number>(path, "counting");
 *   console.log(work.state === before, work.file("numbers").length); // true 0, then true 4
 *   work.file("numbers").append(Uint8Array.of(1, 2, 3, 4));
 *   if (before === undefined) work.save(1); // the second time nothing is saved
 * }
 * await Deno.remove(path, { recursive: true });
 * ```
 */
export class WorkFolder<State> implements Disposable {
  /** Where it is. */
  readonly path: string;
  /** What was last saved: undefined where the work begins. */
  readonly state: State | undefined;
  readonly #key: string;
  readonly #lock: DirectoryLock;
  readonly #files = new Map<string, GrowingFile>();
  readonly #lengths: Map<string, number>;
  #saved: boolean;

  private constructor(path: string, key: string, lock: DirectoryLock, progress: Progress<State> | undefined) {
    this.path = path;
    this.state = progress?.state;
    this.#key = key;
    this.#lock = lock;
    this.#lengths = new Map(Object.entries(progress?.lengths ?? {}));
    this.#saved = progress !== undefined;
  }

  /**
   * Opens a folder for the work that `key` tells from all other. What other work left there is removed.
   *
   * @throws {WeftError} when it cannot be written, another program is at work in it, or there is something else in it.
   */
  static async open<State>(path: string, key: string): Promise<WorkFolder<State>> {
    try {
      await Deno.mkdir(path, { recursive: true });
      const names = (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name);
      if (names.length > 0 && !names.includes(lockName) && !names.includes(progressName)) {
        throw new WeftError(`${path} is needed to work in, and holds ${names[0]}: move it away`);
      }
      const lock = await DirectoryLock.take(path);
      try {
        const progress = await readProgress<State>(path, key);
        await restore(path, progress?.lengths);
        return new WorkFolder(path, key, lock, progress);
      } catch (error) {
        lock[Symbol.dispose]();
        throw error;
      }
    } catch (error) {
      if (error instanceof WeftError) throw error;
      throw new WeftError(`${path} cannot be used to work in: ${(error as Error).message}`);
    }
  }

  /** Whether something was ever saved, so that the work could go on. */
  get isSaved(): boolean {
    return this.#saved;
  }

  /** Makes a folder in it for files with that name before theirs, as in `folder/file`. */
  async makeFolder(name: string): Promise<void> {
    await Deno.mkdir(`${this.path}/${name}`, { recursive: true });
  }

  /**
   * The file of that name; a new one is empty.
   *
   * @throws {WeftError} when it cannot be opened.
   */
  file(name: string): GrowingFile {
    let file = this.#files.get(name);
    if (file === undefined) {
      file = new GrowingFile(`${this.path}/${name}`);
      this.#files.set(name, file);
    }
    return file;
  }

  /** Closes a file that will not grow any more; it stays a part of what is saved. */
  close(name: string): void {
    const file = this.#files.get(name);
    if (file === undefined) return;
    file.sync();
    this.#lengths.set(name, file.length);
    file[Symbol.dispose]();
    this.#files.delete(name);
  }

  /**
   * Saves where the work stands, with the files as they are now.
   *
   * @throws {WeftError} when it cannot be written.
   */
  save(state: State): void {
    for (const [name, file] of this.#files) {
      file.sync();
      this.#lengths.set(name, file.length);
    }
    const progress: Progress<State> = { key: this.#key, lengths: Object.fromEntries(this.#lengths), state };
    const path = `${this.path}/${progressName}`;
    try {
      {
        using file = Deno.openSync(`${path}.new`, { write: true, create: true, truncate: true });
        writeAllSync(file, new TextEncoder().encode(JSON.stringify(progress)));
        file.syncSync();
      }
      Deno.renameSync(`${path}.new`, path);
      this.#saved = true;
    } catch (error) {
      throw new WeftError(`${path} cannot be written: ${(error as Error).message}`);
    }
  }

  /** Removes the folder with all that is in it. */
  async remove(): Promise<void> {
    this[Symbol.dispose]();
    await removeIfThere(this.path);
  }

  /** Closes the files; they stay where they are. */
  [Symbol.dispose](): void {
    for (const file of this.#files.values()) file[Symbol.dispose]();
    this.#files.clear();
    this.#lock[Symbol.dispose]();
  }
}

/** What was saved for this work, unless a file of it is gone. */
async function readProgress<State>(path: string, key: string): Promise<Progress<State> | undefined> {
  try {
    const progress = JSON.parse(await Deno.readTextFile(`${path}/${progressName}`)) as Progress<State>;
    if (progress.key !== key) return undefined;
    for (const [name, length] of Object.entries(progress.lengths)) {
      if ((await Deno.stat(`${path}/${name}`)).size < length) return undefined;
    }
    return progress;
  } catch {
    return undefined; // nothing was saved
  }
}

/** Cuts files to the lengths that they had, and removes all others. */
async function restore(path: string, lengths?: Readonly<Record<string, number>>, below = ""): Promise<void> {
  for await (const { name: base, isDirectory } of Deno.readDir(`${path}/${below}`)) {
    const name = below + base;
    if (name === lockName || (name === progressName && lengths !== undefined)) continue;
    if (isDirectory) await restore(path, lengths, `${name}/`);
    else if (lengths !== undefined && Object.hasOwn(lengths, name)) {
      await Deno.truncate(`${path}/${name}`, lengths[name]);
    } else await Deno.remove(`${path}/${name}`);
  }
}

const bufferBytes = 1 << 16;

/** A file that is written at its end, through a buffer, and read anywhere. */
export class GrowingFile implements Disposable {
  readonly #path: string;
  readonly #file: Deno.FsFile;
  readonly #buffer = new Uint8Array(bufferBytes);
  #used = 0;
  #written: number;

  /**
   * Goes on at the end of a file, which is made where there is none.
   *
   * @throws {WeftError} when it cannot be opened.
   */
  constructor(path: string) {
    this.#path = path;
    this.#file = this.#try(() => Deno.openSync(path, { read: true, write: true, create: true }));
    this.#written = this.#try(() => this.#file.statSync().size);
  }

  /** Bytes of the file, with those that are in the buffer. */
  get length(): number {
    return this.#written + this.#used;
  }

  /** Adds bytes at the end. */
  append(bytes: Uint8Array): void {
    if (this.#used + bytes.length > bufferBytes) this.#flush();
    if (bytes.length > bufferBytes) return this.#write(bytes);
    this.#buffer.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  /** Fills bytes from a place on, which must all be there. */
  readAt(position: number, bytes: Uint8Array<ArrayBuffer>): void {
    this.#flush();
    this.#try(() => {
      this.#file.seekSync(position, Deno.SeekMode.Start);
      fillSync(this.#file, bytes);
    });
  }

  /** Replaces bytes at a place. What is replaced after `save` is not undone by going back to it. */
  writeAt(position: number, bytes: Uint8Array): void {
    this.#flush();
    this.#try(() => {
      this.#file.seekSync(position, Deno.SeekMode.Start);
      writeAllSync(this.#file, bytes);
    });
  }

  /** Waits until the disk has all of it. */
  sync(): void {
    this.#flush();
    this.#try(() => this.#file.syncDataSync());
  }

  /** Closes the file; what is in the buffer is lost. */
  [Symbol.dispose](): void {
    this.#file.close();
  }

  #flush(): void {
    if (this.#used === 0) return;
    const used = this.#used;
    this.#used = 0;
    this.#write(this.#buffer.subarray(0, used));
  }

  #write(bytes: Uint8Array): void {
    this.#try(() => {
      this.#file.seekSync(this.#written, Deno.SeekMode.Start);
      writeAllSync(this.#file, bytes);
    });
    this.#written += bytes.length;
  }

  #try<T>(act: () => T): T {
    try {
      return act();
    } catch (error) {
      throw new WeftError(`${this.#path} cannot be used to work in: ${(error as Error).message}`);
    }
  }
}
