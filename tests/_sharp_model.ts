import { Gpt, type GptConfig, type Gpu, randomNormals, Scope, tensor } from "../mod.ts";

/** A GPT whose parameters are large enough that its predictions are neither even nor always the same. */
export function sharpModel(gpu: Gpu, config: GptConfig, seed = 1, std = 0.35): Gpt {
  const model = new Gpt(gpu, config, { seed });
  let stream = 0;
  for (const [name, { storage, size }] of model.parameters()) {
    if (!name.includes("ln_")) gpu.write(storage, randomNormals(size, { seed, stream: stream++, std }));
  }
  model.training = false;
  return model;
}

/** The model's log-probabilities of all tokens after each place of each row, in float64 from its logits: [row][place][id]. */
export async function logProbsOf(model: Gpt, rows: readonly (readonly number[])[]): Promise<Float64Array[][]> {
  using _ = new Scope(model.gpu);
  const T = rows[0].length, V = model.vocabSize;
  const logits = await model.forward(tensor(model.gpu, new Int32Array(rows.flat()), [rows.length, T])).read();
  return rows.map((_, b) =>
    Array.from({ length: T }, (_, t) => logSoftmax(logits.slice((b * T + t) * V, (b * T + t + 1) * V)))
  );
}

/** x − log Σ exp x in float64. */
export function logSoftmax(x: ArrayLike<number>): Float64Array {
  const values = Float64Array.from(x), largest = values.reduce((a, b) => Math.max(a, b));
  const total = Math.log(values.reduce((sum, v) => sum + Math.exp(v - largest), 0)) + largest;
  return values.map((v) => v - total);
}

/** The logits of the token after some. */
export async function logitsAfter(model: Gpt, ids: readonly number[]): Promise<Float32Array> {
  using _ = new Scope(model.gpu);
  return await model.forward(tensor(model.gpu, new Int32Array(ids), [1, ids.length]), { lastOnly: true }).read();
}
