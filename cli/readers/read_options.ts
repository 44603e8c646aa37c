import type { Document } from "../../train/cleaning/document.ts";
import type { ReadReport } from "./read_report.ts";

/** A place between two documents, from which reading can go on. It is plain data, so that it can be stored. */
export interface Position {
  /** Which of the files, in their order. */
  readonly file: number;
  /** Which document of the file; those that are left out count, and in JSONL every line does. */
  readonly document: number;
  /** Where it begins in a file that is not compressed, so that what is before need not be read again. */
  readonly byte?: number;
}

/** A document with its place. */
export interface PlacedDocument extends Document {
  /** Its own place. */
  readonly position: Position;
  /** The place after it: where a reader goes on that has done with it. */
  readonly next: Position;
}

/** How documents are read. */
export interface ReadOptions {
  /** What the files are. Default: as their names say, else as they begin. */
  readonly format?: "text" | "jsonl" | "parquet";
  /** Field of a line of JSON, or column of a Parquet file, that holds the text. Default: "text". */
  readonly textField?: string;
  /**
   * What stands between the documents of a plain text, such as "<|endoftext|>"; "\n\n" stands for blank lines. Line
   * ends around a document do not belong to it then. Default: a file is one document.
   */
  readonly documentSeparator?: string;
  /** Documents (in JSONL, lines) of more bytes are left out; no more is held of them. Default: 16 MiB. */
  readonly maxDocumentBytes?: number;
  /**
   * What becomes of documents that are not UTF-8 (or, in JSON, hold half of a surrogate pair). Default: they are left
   * out and counted. Such a document is mostly in another encoding altogether, and U+FFFD in the place of its letters
   * would be learned as if it were language; "replace" is for those who know that it is a byte here and there.
   */
  readonly invalidUtf8?: "skip" | "replace";
  /**
   * What becomes of the rest of a file that is damaged or cut off. Default: reading stops with an error, since such a
   * file is mostly half a download, and the half that is missing would be missed later; "skip" counts it.
   */
  readonly damagedFiles?: "stop" | "skip";
  /** Is given the bytes of standard input as they come, since nobody can read them again. */
  readonly onStandardInput?: (bytes: Uint8Array) => void;
  /** Where to begin. Default: at the first document. */
  readonly from?: Position;
  /** What is counted on. Default: a report of its own, which nobody sees. */
  readonly report?: ReadReport;
}

/** `ReadOptions` with all defaults in place, for one file. */
export interface FileOptions {
  /** The file, as the user named it. */
  readonly path: string;
  /** Its number. */
  readonly file: number;
  /** See `ReadOptions`. */
  readonly textField: string;
  /** See `ReadOptions`. */
  readonly documentSeparator?: string;
  /** See `ReadOptions`. */
  readonly maxDocumentBytes: number;
  /** See `ReadOptions`. */
  readonly invalidUtf8: "skip" | "replace";
  /** Documents before this one are not wanted. */
  readonly firstDocument: number;
  /** What is counted on. */
  readonly report: ReadReport;
}
