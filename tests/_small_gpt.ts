import {
  AdamW,
  BpeTokenizer,
  Gpt,
  type GptConfig,
  type Gpu,
  type LanguageModel,
  randomNormals,
  saveCheckpoint,
  Scope,
  tensor,
  type Tokenizer,
} from "../mod.ts";

/** A tokenizer of 265 tokens: bytes, some that are longer, and one that ends documents. */
export function smallBpe(pattern: "gpt2" | "cl100k" = "gpt2"): BpeTokenizer {
  const longer = ["th", "the", " the", "in", "ing", "é", "na", " na"].map((token) => new TextEncoder().encode(token));
  const ranks = [...Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)), ...longer];
  return BpeTokenizer.fromRanks(ranks, { pattern, specialTokens: { "<|endoftext|>": ranks.length } });
}

/** A GPT whose parameters are all random, biases and norms, too: what is dropped or misplaced changes its logits. */
export function smallGpt(gpu: Gpu, over: Partial<GptConfig> = {}): Gpt {
  const model = new Gpt(gpu, { n_layer: 2, n_head: 2, n_embd: 16, block_size: 8, vocab_size: 265, ...over });
  let stream = 0;
  for (const [name, { storage, size }] of model.parameters()) {
    const values = randomNormals(size, { seed: 7, stream: stream++, std: 0.3 });
    if (/ln_\w+\.weight/.test(name)) { for (let i = 0; i < size; i++) values[i] += 1; }
    gpu.write(storage, values);
  }
  model.training = false;
  return model;
}

/** The logits of ids (B, T). */
export async function logitsOf(model: Gpt, ids: Int32Array<ArrayBuffer>, shape: readonly number[]) {
  using _ = new Scope(model.gpu);
  return await model.forward(tensor(model.gpu, ids, shape)).read();
}

/** Runs `body` with a folder of its own that holds the run `out`, which has one checkpoint. */
export async function withRun(
  model: LanguageModel,
  tokenizer: Tokenizer,
  body: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "weft test " });
  try {
    const optimizer = new AdamW(model.parameters()),
      state = { step: 12, best_validation: 1.5, random_counter: 0, config: {} };
    await saveCheckpoint(`${folder}/out/last`, { model, tokenizer, optimizer, state });
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
