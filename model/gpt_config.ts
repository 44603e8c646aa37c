import { WeftError } from "../engine/weft_error.ts";

/** Shape and kind of a GPT, under nanoGPT's names. */
export interface GptConfig {
  /** Number of blocks. */
  readonly n_layer: number;
  /** Number of attention heads of a block. */
  readonly n_head: number;
  /** Width C of the residual stream, divisible by n_head. */
  readonly n_embd: number;
  /** Longest sequence. */
  readonly block_size: number;
  /** Number of kinds of tokens. */
  readonly vocab_size: number;
  /** Whether linear layers and layer norms have biases. Default: true, as GPT-2. */
  readonly bias?: boolean;
  /** Probability of dropout while training. Default: 0. */
  readonly dropout?: number;
  /** Which GELU. GPT-2's own weights want the tanh form. Default: "gelu_tanh". */
  readonly activation?: "gelu_tanh" | "gelu_erf";
}

/**
 * Checks a configuration.
 *
 * @throws {WeftError} naming the first value that is not allowed.
 */
export function checkGptConfig(config: GptConfig): void {
  for (const key of ["n_layer", "n_head", "n_embd", "block_size", "vocab_size"] as const) {
    if (!Number.isSafeInteger(config[key]) || config[key] < 1) {
      throw new WeftError(`${key} is ${config[key]}: it must be a whole number of at least 1`);
    }
  }
  if (config.n_embd % config.n_head !== 0) {
    throw new WeftError(`n_embd is ${config.n_embd}, which is not divisible by n_head, ${config.n_head}`);
  }
  const { dropout = 0 } = config;
  if (!(dropout >= 0 && dropout < 1)) {
    throw new WeftError(`dropout is ${dropout}: it must be from 0 to below 1`);
  }
}

/** The shape of each parameter of a GPT, under the names and in the layout of Hugging Face's GPT-2. */
export function gptParameterShapes(config: GptConfig): Map<string, readonly number[]> {
  const { n_layer, n_embd: C, block_size, vocab_size, bias = true } = config;
  const shapes = new Map<string, readonly number[]>();
  const add = (name: string, weight: readonly number[]) => {
    shapes.set(`${name}.weight`, weight);
    if (bias) shapes.set(`${name}.bias`, [weight.at(-1)!]);
  };
  shapes.set("wte.weight", [vocab_size, C]);
  shapes.set("wpe.weight", [block_size, C]);
  for (let i = 0; i < n_layer; i++) {
    add(`h.${i}.ln_1`, [C]);
    add(`h.${i}.attn.c_attn`, [C, 3 * C]);
    add(`h.${i}.attn.c_proj`, [C, C]);
    add(`h.${i}.ln_2`, [C]);
    add(`h.${i}.mlp.c_fc`, [C, 4 * C]);
    add(`h.${i}.mlp.c_proj`, [4 * C, C]);
  }
  add("ln_f", [C]);
  return shapes;
}
