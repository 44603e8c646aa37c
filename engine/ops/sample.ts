import sampleSource from "../../shaders/sample.wgsl" with { type: "text" };
import windowsSource from "../../shaders/windows.wgsl" with { type: "text" };
import { defineShader } from "../kernel.ts";
import { run } from "../run.ts";
import { pcg4d, workgroup } from "../shader_parts.ts";
import { expectShape } from "../shape.ts";
import { empty, type Tensor } from "../tensor.ts";

const sampleShader = defineShader("sample.wgsl", sampleSource, [pcg4d, workgroup]);
const windowsShader = defineShader("windows.wgsl", windowsSource);

/** How one sequence draws its tokens, in the order in which it is applied after `logits + bias`. */
export interface SampleRequest {
  /** Logits of tokens of prompt and output are divided by it, or multiplied where they are below 0; 1 for none. */
  readonly repetitionPenalty: number;
  /** Taken off a logit for each time that its token is in the output. */
  readonly frequencyPenalty: number;
  /** Taken off a logit once, if its token is in the output. */
  readonly presencePenalty: number;
  /** Logits are divided by it; above 0. */
  readonly temperature: number;
  /** How many of the likeliest tokens can be drawn. */
  readonly topK: number;
  /** Of these, the likeliest that together have this share of their probability. */
  readonly topP: number;
  /** Of these, those that have at least this share of the probability of the likeliest. */
  readonly minP: number;
  /** Of the draws. */
  readonly seed: number;
}

/** What the draws of B sequences keep on the GPU. */
export interface SampleState {
  /** (B, 12) u32: what `packRequests` gives. */
  readonly requests: Tensor;
  /** (B) u32: receives the tokens; 2^32 − 1 where logits are not numbers. */
  readonly ids: Tensor;
  /** (prompt + outputs, B) u32: receives them behind the prompt. */
  readonly history: Tensor;
  /** (outputs, B) f32: receives their log-probabilities by the logits alone. */
  readonly logProbs: Tensor;
  /** (B, V) u32, twice the number of times in the output, and 1 for tokens of the prompt: needed for penalties. */
  readonly counts?: Tensor;
  /** (B, V) f32, added to logits. */
  readonly bias?: Tensor;
}

/** Requests as `sampleTokens` reads them: (B, 12), with nothing drawn so far. */
export function packRequests(requests: readonly SampleRequest[]): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(12 * requests.length), floats = new Float32Array(words.buffer);
  requests.forEach((each, i) => {
    // The draws are `randomUniform(seed, stream, step)`.
    words.set([each.topK, each.seed, Math.floor(each.seed / 2 ** 32) * 0x9e3779b1, 0], 12 * i);
    const { temperature, topP, minP, repetitionPenalty, frequencyPenalty, presencePenalty } = each;
    floats.set([temperature, topP, minP, repetitionPenalty, frequencyPenalty, presencePenalty], 12 * i + 4);
  });
  return words;
}

/**
 * Draws the next token of each sequence: `logits` (B, V) or (B, 1, V). `requests` are those that `state` was packed from;
 * `stream` tells these draws from those of other purposes. Each row is drawn by itself, by its seed and the number of tokens
 * that it has drawn.
 */
export function sampleTokens(
  logits: Tensor,
  state: SampleState,
  requests: readonly SampleRequest[],
  stream: number,
): void {
  const { gpu } = logits, rows = requests.length, V = logits.size / rows;
  const { ids, history, logProbs, counts, bias } = state;
  expectShape("sampleTokens", { ids }, [rows]);
  // A barrier costs a CPU more than a few tokens do, and its loops have an end.
  const LANES = gpu.isCpu ? V <= 2048 ? 8 : V <= 1 << 16 ? 64 : 256 : V <= 1024 ? 64 : 256,
    stretch = Math.ceil(V / LANES);
  const TOP_K = requests.some(({ topK }) => topK > 1 && topK < V), TOP_P = requests.some(({ topP }) => topP < 1);
  const LIMITED = TOP_K || requests.some(({ topK }) => topK < V);
  const unused = (dtype: "f32" | "u32") => empty(gpu, [1], { dtype, label: "unused" });
  run(sampleShader, "main", {
    logits,
    scores: empty(gpu, [rows, V], { label: "scores" }),
    requests: state.requests,
    counts: counts ?? unused("u32"),
    bias: bias ?? unused("f32"),
    history,
    ids,
    log_probs: logProbs,
  }, {
    workgroups: rows,
    loops: stretch * (8 + (TOP_K ? 16 : 0) + (TOP_P ? 20 : 0)),
    params: { rows, V, stretch, stream, first: history.shape[0] - logProbs.shape[0] },
    constants: {
      LANES,
      ...{ PENALTIES: counts ? 1 : 0, BIAS: bias ? 1 : 0 },
      ...{ LIMITED: LIMITED ? 1 : 0, TOP_K: TOP_K ? 1 : 0, TOP_P: TOP_P ? 1 : 0 },
    },
  });
}

/**
 * The last tokens of sequences: of `history` (tokens, B) the `counts` (n) u32 tokens before row `end`, for the columns `rows`
 * (n) u32 → ids (n, T) u32, with zeros behind them, and the places (n) u32 of the last ones in n · T.
 */
export function lastTokens(
  history: Tensor,
  rows: Tensor,
  counts: Tensor,
  { T, end }: { readonly T: number; readonly end: number },
): { ids: Tensor; places: Tensor } {
  const { gpu } = history, n = rows.size;
  const ids = empty(gpu, [n, T], { dtype: "u32", label: "ids" });
  const places = empty(gpu, [n], { dtype: "u32", label: "places" });
  const params = { n, T, B: history.shape[1], end };
  run(windowsShader, "main", { history, rows, counts, ids, places }, { threads: n * T, params });
  return { ids, places };
}
