/** What was found for a question, with the milliseconds that each candidate took. */
export interface Choice {
  /** The candidate that won. */
  readonly variant: string;
  /** Milliseconds by candidate. */
  readonly ms: Readonly<Record<string, number>>;
}

/** Candidates at work on sample operands. */
export interface Trial {
  /** Runs a candidate once, inside a scope of its own. */
  readonly run: (variant: string) => { read(): Promise<Float32Array> };
  /** Relative error of a result against float64 arithmetic. */
  readonly error: (result: Float32Array) => number;
  /** The largest error that a candidate may have. Default: 1e-4. */
  readonly tolerance?: number;
}

/** A question that has no answer yet. */
export interface Question {
  /** The candidate that serves without measurements. */
  readonly fallback: string;
  /** All of them. */
  readonly candidates: readonly string[];
  /** Prepares a measurement. */
  readonly trial: () => Trial;
}

/** Where what is read as vec4s is read from: textures, or the buffers themselves. */
export const loadVariants = ["texels", "buffers"] as const;

/** Variants of kernels that are used whatever was measured: for tests and measurements. */
export interface ForcedVariants {
  /** Of all matrix products. */
  readonly product?: string;
  /** Of all attention. */
  readonly attention?: string;
  /** Of norms, softmax and cross-entropy. */
  readonly rows?: string;
  /** Of what is read as vec4s, on adapters that may read "texels": they, or "buffers", whatever the size. */
  readonly loads?: typeof loadVariants[number];
  /** Of AdamW: "grouped" or "single"; decided when an optimizer is made. */
  readonly optimizer?: string;
}

/**
 * Which of several kernels that compute the same is used, by a key that holds the shapes. Ops ask; `tune` answers, from
 * measurements on this adapter; until then the candidate serves that usually is best.
 */
export class Choices {
  /** The answers: what a cache holds. */
  readonly answers: Map<string, Choice> = new Map();
  /** Receives the questions without an answer, while it is set. */
  questions: Map<string, Question> | undefined;

  /** The candidate for a key: the one that won, or `fallback`. `trial` is called when it is measured. */
  choose<V extends string>(key: string, fallback: V, candidates: readonly V[], trial: () => Trial): V {
    const known = this.answers.get(key);
    if (known !== undefined && candidates.includes(known.variant as V)) return known.variant as V;
    if (this.questions && candidates.length > 1) this.questions.set(key, { fallback, candidates, trial });
    return fallback;
  }
}
