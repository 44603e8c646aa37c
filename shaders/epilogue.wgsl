// How a product stores a block of four rows and four columns: the end of matmul_*.wgsl. With v = (A · B)[m, n]:
//   pre = v + bias[n];  c = other + dropout(gelu(pre)), each part where its override says so;
//   with SLOPE, c = v · gelu'(other)
// Blocks may reach beyond the edge; how four columns are stored is in stores_vectors.wgsl or in stores_elements.wgsl. p is the Params of the file that this one ends, with M, N and the key of dropout, and
// Real the type of its operands' elements.

alias Result = f32;  // or f16: of C
alias Bias = f32;    // or f16

override BIAS: bool = false;
override GELU: bool = false;
override TANH: bool = true;
override KEEP_PRE: bool = false;  // whether `pre` is stored: what the gradient of the GELU needs
override RESIDUAL: bool = false;
override SLOPE: bool = false;  // whether the slope of a GELU multiplies, whose input is `other`
override DROPOUT: bool = false;

@group(0) @binding(12) var<storage, read> other: array<vec4<Real>>;  // (batch, M, N), with RESIDUAL or SLOPE
@group(0) @binding(13) var<storage, read> bias: array<Bias>;         // (N), with BIAS

// That of columns n … n + 3. A kernel asks once and hands it to every store: llvmpipe would load it anew for each.
fn bias_of(n: u32) -> vec4f {
  if (!BIAS) { return vec4f(); }
  return vec4f(f32(bias[n]), f32(bias[n + 1u]), f32(bias[n + 2u]), f32(bias[n + 3u]));
}

fn store(batch: u32, m: u32, n: u32, v: mat4x4f, bias_n: vec4f) {
  let M = p.M;  // once: llvmpipe reads members of a uniform for each lane anew, wherever they are named
  let N = p.N;
  let at = (batch * M + m) * N + n;
  let columns = select(0u, N - n, n < N);
  if (m < M) { store_at(at, columns, v[0], bias_n); }
  if (m + 1u < M) { store_at(at + N, columns, v[1], bias_n); }
  if (m + 2u < M) { store_at(at + 2u * N, columns, v[2], bias_n); }
  if (m + 3u < M) { store_at(at + 3u * N, columns, v[3], bias_n); }
}

fn store_row(batch: u32, m: u32, n: u32, v: vec4f, bias_n: vec4f) {
  if (m < p.M) { store_at((batch * p.M + m) * p.N + n, select(0u, p.N - n, n < p.N), v, bias_n); }
}

// Four columns, or as many as there are.
fn store_at(at: u32, columns: u32, sums: vec4f, bias_n: vec4f) {
  var v = sums;
  if (BIAS) { v += bias_n; }
  if (KEEP_PRE) { store_pre(at, columns, v); }
  if (GELU) { v *= gelu_cdf(v, TANH); }
  if (DROPOUT) { v *= vec4f(factor(at), factor(at + 1u), factor(at + 2u), factor(at + 3u)); }
  if (RESIDUAL) { v += other_of(at); }
  if (SLOPE) { v *= gelu_slope(other_of(at), TANH); }
  store_c(at, columns, v);
}

// 0, or 1 / (1 − drop): the same mask as dropout.wgsl makes for the element of this index.
fn factor(i: u32) -> f32 {
  let draw = f32(pcg4d(vec4u(p.seed, p.seed_high, p.counter, i / 4u))[i % 4u] >> 8u) * 0x1p-24;
  return select(0.0, 1.0 / (1.0 - p.drop), draw >= p.drop);
}
