/** A text as the corpus has it, on its way from a file to tokens. */
export interface Document {
  /** The text. */
  readonly text: string;
  /** Where it comes from, for reports: a file, and which of its documents. */
  readonly source: string;
}
