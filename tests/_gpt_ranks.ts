import cl100kRanks from "gpt-tokenizer/bpeRanks/cl100k_base";
import r50kRanks from "gpt-tokenizer/bpeRanks/r50k_base";
import { BpeTokenizer } from "../model/bpe_tokenizer.ts";

const encoder = new TextEncoder();

function bytesOf(ranks: readonly (string | readonly number[] | undefined)[]): (Uint8Array | undefined)[] {
  return Array.from(
    ranks,
    (token) =>
      token === undefined ? undefined : typeof token === "string" ? encoder.encode(token) : Uint8Array.from(token),
  );
}

/** GPT-2's tokenizer, from the ranks that OpenAI published. */
export function gpt2Tokenizer(): BpeTokenizer {
  return BpeTokenizer.fromRanks(bytesOf(r50kRanks), { pattern: "gpt2", specialTokens: { "<|endoftext|>": 50256 } });
}

/** GPT-4's tokenizer, from the ranks that OpenAI published. */
export function cl100kTokenizer(): BpeTokenizer {
  const specialTokens = {
    "<|endoftext|>": 100257,
    "<|fim_prefix|>": 100258,
    "<|fim_middle|>": 100259,
    "<|fim_suffix|>": 100260,
    "<|endofprompt|>": 100276,
  };
  return BpeTokenizer.fromRanks(bytesOf(cl100kRanks), { pattern: "cl100k", specialTokens });
}
