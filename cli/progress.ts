/** Where `Progress` writes. */
export interface ProgressOutput {
  /** Writes text as it is. */
  readonly write: (text: string) => void;
  /** Columns of the terminal, or undefined where the output is a pipe or a file. */
  readonly columns: () => number | undefined;
}

const encoder = new TextEncoder();

const standardOutput: ProgressOutput = {
  write: (text) => {
    Deno.stdout.writeSync(encoder.encode(text));
  },
  columns: () => Deno.stdout.isTerminal() ? Deno.consoleSize().columns : undefined,
};

/** One line that is rewritten in place on a terminal, and plain lines in a pipe. */
export class Progress {
  #output: ProgressOutput;
  #live = false;

  /** Progress on standard output, or elsewhere. */
  constructor(output: ProgressOutput = standardOutput) {
    this.#output = output;
  }

  /** Shows the state of things: on a terminal in place of the last state, else as a line. */
  update(line: string): void {
    const columns = this.#output.columns();
    if (columns === undefined) return this.#output.write(line + "\n");
    this.#output.write("\r\x1b[K" + line.slice(0, columns - 1));
    this.#live = true;
  }

  /** Prints text that stays. */
  print(text: string): void {
    this.done();
    this.#output.write(text + "\n");
  }

  /** Ends the live line, so that what follows begins on a new one. */
  done(): void {
    if (this.#live) this.#output.write("\n");
    this.#live = false;
  }
}
