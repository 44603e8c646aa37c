// deno-lint-ignore-file no-import-prefix -- the import map is the project's, and these are no dependencies of it
import { Tokenizer } from "npm:@huggingface/tokenizers@0.2.0";
import cl100kRanks from "npm:gpt-tokenizer@4.0.0/bpeRanks/cl100k_base";
import r50kRanks from "npm:gpt-tokenizer@4.0.0/bpeRanks/r50k_base";
import { encode as encodeCl100k } from "npm:gpt-tokenizer@4.0.0/encoding/cl100k_base";
import { encode as encodeGpt2 } from "npm:gpt-tokenizer@4.0.0/encoding/r50k_base";
import { BpeTokenizer } from "../../model/bpe_tokenizer.ts";
import type { WordPatternName } from "../../model/word_pattern.ts";

/**
 * How fast Weft, @huggingface/tokenizers and gpt-tokenizer encode a file, with the same vocabulary and in turns:
 *
 *     deno run --no-lock -A tests/peers/tokenizers.ts FILE [rounds]
 *
 * The first round is that of empty caches; of the others the best counts. Megabytes are those of UTF-8.
 */
const [file, rounds = "5"] = Deno.args;
if (file === undefined) {
  console.error("error: name a text file: deno run --no-lock -A tests/peers/tokenizers.ts FILE [rounds]");
  Deno.exit(1);
}
const text = await Deno.readTextFile(file), megabytes = new TextEncoder().encode(text).length / 1e6;
console.log(`${file}: ${megabytes.toFixed(2)} MB, ${rounds} rounds, ${navigator.hardwareConcurrency} cores`);

type Ranks = readonly (string | readonly number[] | undefined)[];

function fromRanks(ranks: Ranks, pattern: WordPatternName): BpeTokenizer {
  const encoder = new TextEncoder();
  const bytes = Array.from(
    ranks,
    (token) => typeof token === "string" ? encoder.encode(token) : token && Uint8Array.from(token),
  );
  return BpeTokenizer.fromRanks(bytes, { pattern });
}

function compare(name: string, ours: BpeTokenizer, theirs: (text: string) => number[]): void {
  const huggingFace = new Tokenizer(JSON.parse(JSON.stringify(ours)), {});
  const encoders: [string, (text: string) => ArrayLike<number>][] = [
    ["weft", (text) => ours.encode(text)],
    ["@huggingface/tokenizers", (text) => huggingFace.encode(text).ids],
    ["gpt-tokenizer", theirs],
  ];
  const speeds = encoders.map((): number[] => []), ids: ArrayLike<number>[] = [];
  for (let round = 0; round < Number(rounds); round++) {
    for (const [i, [, encode]] of encoders.entries()) {
      const start = performance.now();
      ids[i] = encode(text);
      speeds[i].push(1000 * megabytes / (performance.now() - start));
    }
  }
  for (const [i, [library]] of encoders.entries()) {
    const [cold, ...warm] = speeds[i], same = sameIds(ids[i], ids[0]) ? "the same ids" : "OTHER IDS";
    console.log(
      `${name.padEnd(8)}${library.padEnd(26)}cold ${cold.toFixed(1).padStart(6)}  warm ${
        Math.max(...warm).toFixed(1).padStart(6)
      } MB/s  ${ids[i].length} tokens, ${same}`,
    );
  }
}

function sameIds(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

compare("gpt2", fromRanks(r50kRanks, "gpt2"), encodeGpt2);
compare("cl100k", fromRanks(cl100kRanks, "cl100k"), encodeCl100k);
