/** A file of a corpus. */
export interface CorpusFile {
  /** Where it is downloaded from. */
  readonly url: string;
  /** Its name on the disk. */
  readonly name: string;
  /** Its length, where that is fixed. */
  readonly bytes?: number;
  /** What it must hash to, where its content is fixed. */
  readonly sha256?: string;
}

/** A public text to learn from. */
export interface Corpus {
  /** What it is, in a line. */
  readonly about: string;
  /** Under which terms it may be used. */
  readonly licence: string;
  /** Where it is described. */
  readonly home: string;
  /** What its files are. */
  readonly format: "text" | "jsonl" | "parquet";
  /** The field or column that holds a document's text. */
  readonly textField?: string;
  /** What stands between the documents of a plain text. Default: a file is one document. */
  readonly documentSeparator?: string;
  /** Its files, in order. */
  readonly files: readonly CorpusFile[];
}

/** Files of a dataset at a revision, which never changes. */
const atRevision = (dataset: string, revision: string) => (path: string, bytes?: number, sha256?: string) => ({
  url: `https://huggingface.co/datasets/${dataset}/resolve/${revision}/${path}`,
  name: path.replace(/.*\//, ""),
  ...bytes === undefined ? {} : { bytes },
  ...sha256 === undefined ? {} : { sha256 },
});

const tinyStories = atRevision("roneneldan/TinyStories", "f54c09fd23315a6f9c86f9dc80f725de7d8f9c64");
const openWebText = atRevision("Skylion007/openwebtext", "79d93d786212f7344586290adb811d4ae6a1762c");
const fineWebEdu = atRevision("HuggingFaceFW/fineweb-edu", "87f09149ef4734204d70ed1d046ddc9ca3f2b8f9");

/**
 * Public corpora by name, from a megabyte to tens of gigabytes. Lengths and hashes are left out where they are not
 * fixed or not known for certain.
 *
 * @example
 * ```ts
 * import { corpora } from "./corpora.ts";
 * console.log(corpora.shakespeare.files[0].bytes); // 1115394
 * ```
 */
export const corpora: Readonly<Record<string, Corpus>> = {
  "shakespeare": {
    about: "Tiny Shakespeare: 40,000 lines of the plays, 65 kinds of characters",
    licence: "public domain",
    home: "https://github.com/karpathy/char-rnn",
    format: "text",
    files: [{
      url: "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
      name: "tinyshakespeare.txt",
      bytes: 1_115_394,
      sha256: "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    }],
  },
  "wizard-of-oz": {
    about: "The Wonderful Wizard of Oz by L. Frank Baum, with the header and the licence of Project Gutenberg",
    licence: "public domain in the USA",
    home: "https://www.gutenberg.org/ebooks/55",
    format: "text",
    // edited now and then, so neither length nor hash are fixed
    files: [{ url: "https://www.gutenberg.org/cache/epub/55/pg55.txt", name: "wizard_of_oz.txt" }],
  },
  "tinystories": {
    about: "TinyStories, the part by GPT-4: 2.7 million short stories in the words of a small child",
    licence: "CDLA-Sharing-1.0",
    home: "https://huggingface.co/datasets/roneneldan/TinyStories",
    format: "text",
    documentSeparator: "<|endoftext|>",
    files: [
      tinyStories(
        "TinyStoriesV2-GPT4-train.txt",
        2_227_753_162,
        "6418d412de72888f52b5142c761ac21a582f7d1166f0bfbdb5f03ccfdec90443",
      ),
      tinyStories(
        "TinyStoriesV2-GPT4-valid.txt",
        22_502_601,
        "6874bae9a4c1a4e7edcf0e53b86c17817e9cf881fc75ff2368da457b80c0585d",
      ),
    ],
  },
  "openwebtext": {
    about: "OpenWebText: 8,013,769 web pages that Reddit linked to, as GPT-2 learned from; 80 files of 0.3 GB",
    licence: "CC0-1.0 for the collection; the pages belong to their authors",
    home: "https://huggingface.co/datasets/Skylion007/openwebtext",
    format: "parquet",
    textField: "text",
    files: Array.from(
      { length: 80 },
      (_, i) => openWebText(`plain_text/train-${String(i).padStart(5, "0")}-of-00080.parquet`),
    ),
  },
  "fineweb-edu": {
    about: "FineWeb-Edu, the sample of 10 billion tokens: 9,672,101 web pages that teach something",
    licence: "ODC-By 1.0, and the terms of Common Crawl",
    home: "https://huggingface.co/datasets/HuggingFaceFW/fineweb-edu",
    format: "parquet",
    textField: "text",
    files: ([
      [2_152_819_114, "b1ba7b2ce4cb5ea6ef42dca40263eabb85f37700d01693a68e9b30a31d78e871"],
      [2_152_222_432, "3fcf2dc69cd52503986276d3d2d26a8c356d0f2ea28a0de4fdbda8cf87755693"],
      [2_151_796_315, "547ae182d132c9f06b6ce63149567208ea9f57630bfd9b1a2938e504f0c9ebd7"],
      [2_152_437_524, "22184e6eb25759ddd97783751ffc73e1705dfa2542e630dae1f2a8bac8ee6ddb"],
      [2_152_338_550, "33557ddd87a07a4ae6fcaf7a4789c7b484e5cc0c273ca12a65b74200e6d8748b"],
      [2_152_189_947, "e08d79927ecb377786572cd854817c748ceb8880878b1a0eb91abf8c85d505ea"],
      [2_152_689_867, "554fa2613c9261d6c9c396caab881de3160175794c6c3e1856bf28a0e9cb9b76"],
      [2_150_686_637, "4b7d1f697d4afff7f5f65cb7aa4d83acc6db716da4d46ea23399d0c50608c6e3"],
      [2_151_274_846, "a6d9dcc0c72ecd7c7f0173c2d06b3a4249a2ccaa94961469d1a522ca689bbf1a"],
      [2_151_913_277, "f836cd3c70b95776699eb6c356b2dbf702816e25dcf39992f5c80a29029d23c3"],
      [2_152_798_864, "e5a2eae25f057f0856a10bfae314c6ca8ea8bb08456d2131e9e89b2b8305e2f6"],
      [2_152_323_681, "db71cf0425bb3d1813a09f12ff1acd6dabdfb91a2e4f141960254ee5a7f036e7"],
      [2_152_069_689, "08b47a3e1c25161f796d2f8dbf99ccf60affdebdcea4910833d0d5783315551f"],
      [540_632_672, "b393f51fefab26cd6f4c8f65707c1924f6666c4961a0ebebe04bb57f7ec832de"],
    ] as const).map(([bytes, sha256], i) =>
      fineWebEdu(`sample/10BT/${String(i).padStart(3, "0")}_00000.parquet`, bytes, sha256)
    ),
  },
};
