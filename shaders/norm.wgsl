// Layer norm (Ba, Kiros & Hinton 2016): y = (x − mean) · rstd · weight + bias, rstd = 1 / √(variance + eps).
// RMS norm (Zhang & Sennrich 2019) is the same with 0 for the mean: rstd = 1 / √(mean(x²) + eps).
// Both over the last axis. x, y, dy, dx: (rows, C); weight, bias, d_weight, d_bias: (C). One invocation per row;
// forward keeps (mean, rstd) of each.
//
// Backward, with n = (x − mean) · rstd and g = dy · weight:
//   dx = rstd (g − mean(g) − n · mean(g · n)), without mean(g) for RMS norm
//   d_weight = Σ_rows dy · n;  d_bias = Σ_rows dy: first over stretches of `chunk` rows, one invocation per channel
//   and stretch, so that neighbours read neighbouring channels; then reduce.wgsl adds the stretches.

struct Params {
  rows: u32,
  C: u32,
  eps: f32,
  chunk: u32,      // rows of a stretch
  stretches: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;              // anything, without BIAS
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<storage, read_write> stats: array<vec2f>;     // (rows) of (mean, rstd)
@group(0) @binding(6) var<storage, read> statistics: array<vec2f>;      // stats, once they are computed
@group(0) @binding(7) var<storage, read> dy: array<f32>;
@group(0) @binding(8) var<storage, read_write> dx: array<f32>;
@group(0) @binding(9) var<storage, read_write> d_weight: array<f32>;    // (stretches, C)
@group(0) @binding(10) var<storage, read_write> d_bias: array<f32>;     // (stretches, C)

override CENTER: bool = true;  // layer norm; otherwise RMS norm
override BIAS: bool = false;

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = id.x + id.y * (groups.x * 64u);
  if (row >= p.rows) { return; }
  let at = row * p.C;
  var mean = 0.0;
  if (CENTER) {
    for (var c = 0u; c < p.C; c++) { mean += x[at + c]; }
    mean /= f32(p.C);
  }
  var squares = 0.0;
  for (var c = 0u; c < p.C; c++) {
    let d = x[at + c] - mean;
    squares += d * d;
  }
  let rstd = inverseSqrt(squares / f32(p.C) + p.eps);
  stats[row] = vec2f(mean, rstd);
  for (var c = 0u; c < p.C; c++) {
    y[at + c] = (x[at + c] - mean) * rstd * weight[c] + select(0.0, bias[c], BIAS);
  }
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = id.x + id.y * (groups.x * 64u);
  if (row >= p.rows) { return; }
  let at = row * p.C;
  let s = statistics[row];
  var sum_g = 0.0;
  var sum_gn = 0.0;
  for (var c = 0u; c < p.C; c++) {
    let g = dy[at + c] * weight[c];
    sum_g += g;
    sum_gn += g * (x[at + c] - s.x) * s.y;
  }
  let mean_g = select(0.0, sum_g / f32(p.C), CENTER);
  let mean_gn = sum_gn / f32(p.C);
  for (var c = 0u; c < p.C; c++) {
    let n = (x[at + c] - s.x) * s.y;
    dx[at + c] = s.y * (dy[at + c] * weight[c] - mean_g - n * mean_gn);
  }
}

@compute @workgroup_size(64)
fn backward_parameters(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * (groups.x * 64u);
  if (i >= p.stretches * p.C) { return; }
  let c = i % p.C;
  let first = (i / p.C) * p.chunk;
  var sum_weight = 0.0;
  var sum_bias = 0.0;
  for (var row = first; row < min(first + p.chunk, p.rows); row++) {
    let s = statistics[row];
    let g = dy[row * p.C + c];
    sum_weight += g * (x[row * p.C + c] - s.x) * s.y;
    sum_bias += g;
  }
  d_weight[i] = sum_weight;
  d_bias[i] = sum_bias;
}
