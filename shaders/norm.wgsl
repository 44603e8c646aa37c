// Layer norm (Ba, Kiros & Hinton 2016): y = (x − mean) · rstd · weight + bias, rstd = 1 / √(variance + eps).
// RMS norm (Zhang & Sennrich 2019) is the same with 0 for the mean: rstd = 1 / √(mean(x²) + eps).
// Both over the last axis. x, y, dy, dx: (rows, C); weight, bias, d_weight, d_bias: (C). One invocation per row, or in
// *_shared one workgroup; forward keeps (mean, rstd) of each.
//
// Backward, with n = (x − mean) · rstd and g = dy · weight:
//   dx = rstd (g − mean(g) − n · mean(g · n)), without mean(g) for RMS norm
//   d_weight = Σ_rows dy · n;  d_bias = Σ_rows dy: first over stretches of `chunk` rows, one invocation per channel
//   and stretch, so that neighbours read neighbouring channels; then reduce.wgsl adds the stretches.

alias Real = f32;  // or f16: what is stored; weights, their gradients and sums are f32

struct Params {
  rows: u32,
  C: u32,
  eps: f32,
  chunk: u32,      // rows of a stretch
  stretches: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Real>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;              // anything, without BIAS
@group(0) @binding(4) var<storage, read_write> y: array<Real>;
@group(0) @binding(5) var<storage, read_write> stats: array<vec2f>;     // (rows) of (mean, rstd)
@group(0) @binding(6) var<storage, read> statistics: array<vec2f>;      // stats, once they are computed
@group(0) @binding(7) var<storage, read> dy: array<Real>;
@group(0) @binding(8) var<storage, read_write> dx: array<Real>;         // with ADD, what it holds is added to
@group(0) @binding(9) var<storage, read_write> d_weight: array<f32>;    // (stretches, C)
@group(0) @binding(10) var<storage, read_write> d_bias: array<f32>;     // (stretches, C)

override CENTER: bool = true;  // layer norm; otherwise RMS norm
override BIAS: bool = false;
override ADD: bool = false;    // dx to what other operations gave

// Of every step-th element of a row from the first-th on: its sum; the sum of squares beside the mean; (Σ g, Σ g n).
fn sum_of(row: u32, first: u32, step: u32) -> f32 {
  var sum = 0.0;
  for (var c = first; c < p.C; c += step) { sum += f32(x[row * p.C + c]); }
  return sum;
}
fn squares_of(row: u32, first: u32, step: u32, mean: f32) -> f32 {
  var squares = 0.0;
  for (var c = first; c < p.C; c += step) {
    let d = f32(x[row * p.C + c]) - mean;
    squares += d * d;
  }
  return squares;
}
fn slopes_of(row: u32, first: u32, step: u32) -> vec2f {
  let s = statistics[row];
  var sums = vec2f();
  for (var c = first; c < p.C; c += step) {
    let g = f32(dy[row * p.C + c]) * weight[c];
    sums += vec2f(g, g * (f32(x[row * p.C + c]) - s.x) * s.y);
  }
  return sums;
}

fn store_y(row: u32, first: u32, step: u32, mean: f32, rstd: f32) {
  for (var c = first; c < p.C; c += step) {
    y[row * p.C + c] = Real((f32(x[row * p.C + c]) - mean) * rstd * weight[c] + select(0.0, bias[c], BIAS));
  }
}
fn store_dx(row: u32, first: u32, step: u32, sums: vec2f) {
  let s = statistics[row];
  let mean_g = select(0.0, sums.x / f32(p.C), CENTER);
  let mean_gn = sums.y / f32(p.C);
  for (var c = first; c < p.C; c += step) {
    let n = (f32(x[row * p.C + c]) - s.x) * s.y;
    var slope = s.y * (f32(dy[row * p.C + c]) * weight[c] - mean_g - n * mean_gn);
    if (ADD) { slope += f32(dx[row * p.C + c]); }
    dx[row * p.C + c] = Real(slope);
  }
}

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = id.x + id.y * (groups.x * 64u);
  if (row >= p.rows) { return; }
  var mean = 0.0;
  if (CENTER) { mean = sum_of(row, 0u, 1u) / f32(p.C); }
  let rstd = inverseSqrt(squares_of(row, 0u, 1u, mean) / f32(p.C) + p.eps);
  stats[row] = vec2f(mean, rstd);
  store_y(row, 0u, 1u, mean, rstd);
}

@compute @workgroup_size(ROW_LANES)
fn forward_shared(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = workgroup.x + workgroup.y * groups.x;
  if (row >= p.rows) { return; }
  var mean = 0.0;
  if (CENTER) { mean = sum_over_lanes(lane, vec2f(sum_of(row, lane, ROW_LANES), 0.0)).x / f32(p.C); }
  let squares = sum_over_lanes(lane, vec2f(squares_of(row, lane, ROW_LANES, mean), 0.0)).x;
  let rstd = inverseSqrt(squares / f32(p.C) + p.eps);
  if (lane == 0u) { stats[row] = vec2f(mean, rstd); }
  store_y(row, lane, ROW_LANES, mean, rstd);
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = id.x + id.y * (groups.x * 64u);
  if (row >= p.rows) { return; }
  store_dx(row, 0u, 1u, slopes_of(row, 0u, 1u));
}

@compute @workgroup_size(ROW_LANES)
fn backward_shared(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = workgroup.x + workgroup.y * groups.x;
  if (row >= p.rows) { return; }
  store_dx(row, lane, ROW_LANES, sum_over_lanes(lane, slopes_of(row, lane, ROW_LANES)));
}

@compute @workgroup_size(64)
fn backward_parameters(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = workgroup.x + workgroup.y * groups.x;
  let c = group % ((p.C + 63u) / 64u) * 64u + lane;
  let stretch = group / ((p.C + 63u) / 64u);  // one for all of a workgroup, so that its rows are, too
  if (stretch >= p.stretches || c >= p.C) { return; }
  let first = stretch * p.chunk;
  var sum_weight = 0.0;
  var sum_bias = 0.0;
  for (var row = first; row < min(first + p.chunk, p.rows); row++) {
    let s = statistics[row];
    let g = f32(dy[row * p.C + c]);
    sum_weight += g * (f32(x[row * p.C + c]) - s.x) * s.y;
    sum_bias += g;
  }
  d_weight[stretch * p.C + c] = sum_weight;
  d_bias[stretch * p.C + c] = sum_bias;
}
