/**
 * Attention of one head and its gradients in float64, one query after the other: what candidates are compared with before one
 * may be chosen. q, dO: (Tq, D); k, v: (Tk, D). Returns o, dq, dk and dv, one behind the other.
 */
export function attentionInFloat64(
  q: ArrayLike<number>,
  k: ArrayLike<number>,
  v: ArrayLike<number>,
  dO: ArrayLike<number>,
  { Tq, Tk, D, causal }: { readonly Tq: number; readonly Tk: number; readonly D: number; readonly causal: boolean },
): Float64Array {
  const out = new Float64Array(2 * (Tq + Tk) * D), scale = 1 / Math.sqrt(D);
  const at = { o: 0, dq: Tq * D, dk: 2 * Tq * D, dv: (2 * Tq + Tk) * D };
  const weights = new Float64Array(Tk), slopes = new Float64Array(Tk);
  const dot = (a: ArrayLike<number>, i: number, b: ArrayLike<number>, j: number): number => {
    let sum = 0;
    for (let d = 0; d < D; d++) sum += a[i * D + d] * b[j * D + d];
    return sum;
  };
  for (let i = 0; i < Tq; i++) {
    const keys = causal ? i + 1 + Tk - Tq : Tk;
    let largest = -Infinity, total = 0, mean = 0;
    for (let j = 0; j < keys; j++) largest = Math.max(largest, weights[j] = scale * dot(q, i, k, j));
    for (let j = 0; j < keys; j++) total += weights[j] = Math.exp(weights[j] - largest);
    for (let j = 0; j < keys; j++) mean += (weights[j] /= total) * (slopes[j] = dot(dO, i, v, j));
    for (let j = 0; j < keys; j++) {
      const weight = weights[j], slope = scale * weight * (slopes[j] - mean);
      for (let d = 0; d < D; d++) {
        out[at.o + i * D + d] += weight * v[j * D + d];
        out[at.dq + i * D + d] += slope * k[j * D + d];
        out[at.dk + j * D + d] += slope * q[i * D + d];
        out[at.dv + j * D + d] += weight * dO[i * D + d];
      }
    }
  }
  return out;
}
