import { type CountRequest, WordCounter } from "./word_counter.ts";

/** The thread of `countWords`: counts batches of texts, answers each, and hands everything over at the end. */
const scope = self as unknown as {
  onmessage: (event: MessageEvent<CountRequest>) => void;
  postMessage(message: unknown, transfer?: Transferable[]): void;
};
let counter: WordCounter | undefined;

scope.onmessage = ({ data }) => {
  if ("pattern" in data) counter = new WordCounter(data.pattern);
  else if ("texts" in data) {
    for (const text of data.texts) counter!.count(text);
    scope.postMessage("counted");
  } else {
    const arrays = counter!.words.toArrays();
    scope.postMessage(arrays, [arrays.bytes.buffer, arrays.starts.buffer, arrays.counts.buffer]);
  }
};
