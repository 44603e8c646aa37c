/** A text as the corpus has it, on its way from a file to tokens. */
export interface Document {
  /** The text. */
  readonly text: string;
  /** Where it comes from, for reports: a file, and which of its documents. */
  readonly source: string;
  /**
   * The place after it, as plain data, from which its source goes on. Only sources that can have it, and it holds until
   * the next document is asked for.
   */
  readonly mark?: () => unknown;
}

/** Documents that can be read again: from the first one, or from after the one that had this mark. */
export type DocumentSource = (from?: unknown) => AsyncIterable<Document>;

/** Documents that go to a thread together: a message for each would cost more than the work. */
export interface DocumentBatch {
  /** The documents, with nothing else that a reader has put there. */
  readonly documents: readonly Document[];
  /** The mark of the last one, unless nothing came after it. */
  readonly mark: unknown;
}

const batchCharacters = 1 << 18;

/** Documents in batches of about as many characters. */
export async function* inBatches(documents: AsyncIterable<Document>): AsyncGenerator<DocumentBatch, void, undefined> {
  let batch: Document[] = [], characters = 0;
  for await (const { text, source, mark } of documents) {
    batch.push({ text, source });
    characters += text.length + 100;
    if (characters < batchCharacters) continue;
    yield { documents: batch, mark: mark?.() };
    batch = [];
    characters = 0;
  }
  if (batch.length > 0) yield { documents: batch, mark: undefined }; // the end of the source was asked for already
}
