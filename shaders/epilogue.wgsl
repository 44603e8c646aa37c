// How a product stores a block of four rows and four columns: the end of matmul_*.wgsl. With v = (A · B)[m, n]:
//   pre = v + bias[n];  c = other + dropout(gelu(pre)), each part where its override says so
// Blocks may reach beyond the edge. p is the Params of the file that this one ends, with M, N and the key of dropout.

override BIAS: bool = false;
override GELU: bool = false;
override TANH: bool = true;
override KEEP_PRE: bool = false;  // whether `pre` is stored: what the gradient of the GELU needs
override RESIDUAL: bool = false;
override DROPOUT: bool = false;

@group(0) @binding(10) var<storage, read_write> c: array<f32>;    // (batch, M, N)
@group(0) @binding(11) var<storage, read_write> pre: array<f32>;  // the same, with KEEP_PRE
@group(0) @binding(12) var<storage, read> other: array<f32>;      // the same, with RESIDUAL
@group(0) @binding(13) var<storage, read> bias: array<f32>;       // (N), with BIAS

fn store(batch: u32, m: u32, n: u32, v: mat4x4f) {
  store_row(batch, m, n, v[0]);
  store_row(batch, m + 1u, n, v[1]);
  store_row(batch, m + 2u, n, v[2]);
  store_row(batch, m + 3u, n, v[3]);
}

fn store_row(batch: u32, m: u32, n: u32, sums: vec4f) {
  if (m >= p.M) { return; }
  let at = (batch * p.M + m) * p.N + n;
  var v = sums;
  if (BIAS) { v += vec4f(bias[n], bias[n + 1u], bias[n + 2u], bias[n + 3u]); }
  if (KEEP_PRE) {
    if (n < p.N) { pre[at] = v.x; }
    if (n + 1u < p.N) { pre[at + 1u] = v.y; }
    if (n + 2u < p.N) { pre[at + 2u] = v.z; }
    if (n + 3u < p.N) { pre[at + 3u] = v.w; }
  }
  if (GELU) { v *= gelu_cdf(v, TANH); }
  if (DROPOUT) { v *= vec4f(factor(at), factor(at + 1u), factor(at + 2u), factor(at + 3u)); }
  if (RESIDUAL) { v += vec4f(other[at], other[at + 1u], other[at + 2u], other[at + 3u]); }
  if (n < p.N) { c[at] = v.x; }
  if (n + 1u < p.N) { c[at + 1u] = v.y; }
  if (n + 2u < p.N) { c[at + 2u] = v.z; }
  if (n + 3u < p.N) { c[at + 3u] = v.w; }
}

// 0, or 1 / (1 − drop): the same mask as dropout.wgsl makes for the element of this index.
fn factor(i: u32) -> f32 {
  let draw = f32(pcg4d(vec4u(p.seed, p.seed_high, p.counter, i / 4u))[i % 4u] >> 8u) * 0x1p-24;
  return select(0.0, 1.0 / (1.0 - p.drop), draw >= p.drop);
}
