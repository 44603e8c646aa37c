// Layer norm (Ba, Kiros & Hinton 2016): y = (x − mean) · rstd · weight + bias, rstd = 1 / √(variance + eps).
// RMS norm (Zhang & Sennrich 2019) is the same with 0 for the mean: rstd = 1 / √(mean(x²) + eps).
// Both over the last axis. x, y, dy, dx: (rows, C); weight, bias, d_weight, d_bias: (C). One invocation per row, or in
// *_shared one workgroup; forward keeps (mean, rstd) of each. What they read and store by, single channels or four, is in
// norm_elements.wgsl or in norm_vectors.wgsl: a Part, stored as a Stored.
//
// Backward, with n = (x − mean) · rstd and g = dy · weight:
//   dx = rstd (g − mean(g) − n · mean(g · n)), without mean(g) for RMS norm
//   d_weight = Σ_rows dy · n;  d_bias = Σ_rows dy: first over stretches of `chunk` rows, one invocation per channel
//   and stretch, so that neighbours read neighbouring channels; then reduce.wgsl adds the stretches.

struct Params {
  rows: u32,
  columns: u32,    // of a row, each a Part: one channel or four
  C: u32,
  eps: f32,
  chunk: u32,      // rows of a stretch
  stretches: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> stats: array<vec2f>;     // (rows) of (mean, rstd)
@group(0) @binding(2) var<storage, read> statistics: array<vec2f>;      // stats, once they are computed

const LANES: u32 = 64;  // tunable: of a workgroup, but in *_shared

override CENTER: bool = true;  // layer norm; otherwise RMS norm
override BIAS: bool = false;
override ADD: bool = false;    // dx to what other operations gave
override COPIED: bool = false; // whether that is read elsewhere: in a texture, for llvmpipe

// Of the columns of a row that begin at first, each step further: their sum; that of squares beside the mean; (Σ g, Σ g n).
fn sum_of(row: u32, first: u32, step: u32) -> f32 {
  let columns = p.columns;
  var sum = Part();
  for (var c = first; c < columns; c += step) { sum += Part(x[row * columns + c]); }
  return total(sum);
}
fn squares_of(row: u32, first: u32, step: u32, mean: f32) -> f32 {
  let columns = p.columns;
  var squares = Part();
  for (var c = first; c < columns; c += step) {
    let d = Part(x[row * columns + c]) - mean;
    squares += d * d;
  }
  return total(squares);
}
fn slopes_of(row: u32, first: u32, step: u32) -> vec2f {
  let columns = p.columns;
  let s = statistics[row];
  var sum = Part();
  var sum_n = Part();
  for (var c = first; c < columns; c += step) {
    let i = row * columns + c;
    let g = Part(dy[i]) * weight[c];
    sum += g;
    sum_n += g * (Part(x[i]) - s.x) * s.y;
  }
  return vec2f(total(sum), total(sum_n));
}

fn store_y(row: u32, first: u32, step: u32, mean: f32, rstd: f32) {
  let columns = p.columns;
  for (var c = first; c < columns; c += step) {
    let i = row * columns + c;
    var v = (Part(x[i]) - mean) * rstd * weight[c];
    if (BIAS) { v += bias[c]; }
    y[i] = Stored(v);
  }
}
fn store_dx(row: u32, first: u32, step: u32, sums: vec2f) {
  let columns = p.columns;
  let s = statistics[row];
  let mean_g = select(0.0, sums.x / f32(p.C), CENTER);
  let mean_gn = sums.y / f32(p.C);
  for (var c = first; c < columns; c += step) {
    let i = row * columns + c;
    let n = (Part(x[i]) - s.x) * s.y;
    var slope = s.y * (Part(dy[i]) * weight[c] - mean_g - n * mean_gn);
    if (ADD && COPIED) { slope += Part(dx_copy[i]); } else if (ADD) { slope += Part(dx[i]); }
    dx[i] = Stored(slope);
  }
}

@compute @workgroup_size(LANES)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = id.x + id.y * (groups.x * LANES);
  if (row >= p.rows) { return; }
  var mean = 0.0;
  if (CENTER) { mean = sum_of(row, 0u, 1u) / f32(p.C); }
  let rstd = inverseSqrt(squares_of(row, 0u, 1u, mean) / f32(p.C) + p.eps);
  stats[row] = vec2f(mean, rstd);
  store_y(row, 0u, 1u, mean, rstd);
}

@compute @workgroup_size(ROW_LANES)
fn forward_shared(here: Workgroup, @builtin(local_invocation_index) lane: u32) {
  let row = group_of(here);
  if (row >= p.rows) { return; }
  var mean = 0.0;
  if (CENTER) { mean = sum_over_lanes(lane, vec2f(sum_of(row, lane, ROW_LANES), 0.0)).x / f32(p.C); }
  let squares = sum_over_lanes(lane, vec2f(squares_of(row, lane, ROW_LANES, mean), 0.0)).x;
  let rstd = inverseSqrt(squares / f32(p.C) + p.eps);
  if (lane == 0u) { stats[row] = vec2f(mean, rstd); }
  store_y(row, lane, ROW_LANES, mean, rstd);
}

@compute @workgroup_size(LANES)
fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = id.x + id.y * (groups.x * LANES);
  if (row >= p.rows) { return; }
  store_dx(row, 0u, 1u, slopes_of(row, 0u, 1u));
}

@compute @workgroup_size(ROW_LANES)
fn backward_shared(here: Workgroup, @builtin(local_invocation_index) lane: u32) {
  let row = group_of(here);
  if (row >= p.rows) { return; }
  store_dx(row, lane, ROW_LANES, sum_over_lanes(lane, slopes_of(row, lane, ROW_LANES)));
}

@compute @workgroup_size(LANES)
fn backward_parameters(here: Workgroup, @builtin(local_invocation_index) lane: u32) {
  let columns = p.columns;
  let group = group_of(here);
  let tiles = (columns + LANES - 1u) / LANES;
  let c = group % tiles * LANES + lane;
  let stretch = group / tiles;  // one for all of a workgroup, so that its rows are, too
  if (stretch >= p.stretches || c >= columns) { return; }
  let first = stretch * p.chunk;
  var sum_weight = Part();
  var sum_bias = Part();
  for (var row = first; row < min(first + p.chunk, p.rows); row++) {
    let s = statistics[row];
    let g = Part(dy[row * columns + c]);
    sum_weight += g * (Part(x[row * columns + c]) - s.x) * s.y;
    sum_bias += g;
  }
  d_weight[stretch * columns + c] = sum_weight;
  d_bias[stretch * columns + c] = sum_bias;
}
