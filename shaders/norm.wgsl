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
@group(0) @binding(11) var<storage, read> x4: array<vec4<Real>>;        // the same memory
@group(0) @binding(2) var<storage, read> weight: array<vec4f>;
@group(0) @binding(3) var<storage, read> bias: array<vec4f>;            // anything, without BIAS
@group(0) @binding(4) var<storage, read_write> y: array<Real>;
@group(0) @binding(5) var<storage, read_write> stats: array<vec2f>;     // (rows) of (mean, rstd)
@group(0) @binding(6) var<storage, read> statistics: array<vec2f>;      // stats, once they are computed
@group(0) @binding(7) var<storage, read> dy: array<Real>;
@group(0) @binding(12) var<storage, read> dy4: array<vec4<Real>>;       // the same memory
@group(0) @binding(8) var<storage, read_write> dx: array<Real>;         // with ADD, what it holds is added to
@group(0) @binding(13) var<storage, read> dx_copy: array<vec4<Real>>;   // that, with COPIED; otherwise anything
@group(0) @binding(9) var<storage, read_write> d_weight: array<f32>;    // (stretches, C)
@group(0) @binding(10) var<storage, read_write> d_bias: array<f32>;     // (stretches, C)

const LANES: u32 = 64;  // tunable: of a workgroup, but in *_shared

override CENTER: bool = true;  // layer norm; otherwise RMS norm
override BIAS: bool = false;
override ADD: bool = false;    // dx to what other operations gave
override COPIED: bool = false; // whether that is read elsewhere: in a texture, for llvmpipe
// Whether a round of a loop takes four channels, C being a multiple of 4; otherwise one, as the first of a vec4. On CPUs a
// load takes as long for four as for one; on GPUs neighbours should read neighbours.
override WIDE: bool = false;
override WIDTH: u32 = select(1u, 4u, WIDE);

fn x_at(i: u32) -> vec4f {
  if (WIDE) { return vec4f(x4[i / 4u]); }
  return vec4f(f32(x[i]), 0.0, 0.0, 0.0);
}
fn dy_at(i: u32) -> vec4f {
  if (WIDE) { return vec4f(dy4[i / 4u]); }
  return vec4f(f32(dy[i]), 0.0, 0.0, 0.0);
}
fn weight_at(c: u32) -> vec4f {
  if (WIDE) { return weight[c / 4u]; }
  return vec4f(weight[c / 4u][c % 4u], 0.0, 0.0, 0.0);
}
fn bias_at(c: u32) -> vec4f {
  if (!BIAS) { return vec4f(); }
  if (WIDE) { return bias[c / 4u]; }
  return vec4f(bias[c / 4u][c % 4u], 0.0, 0.0, 0.0);
}
fn total(v: vec4f) -> f32 { return select(v.x, (v.x + v.y) + (v.z + v.w), WIDE); }

// Of the channels of a row that begin at first, each step further: their sum; that of squares beside the mean; (Σ g, Σ g n).
fn sum_of(row: u32, first: u32, step: u32) -> f32 {
  var sum = vec4f();
  for (var c = first; c < p.C; c += step) { sum += x_at(row * p.C + c); }
  return total(sum);
}
fn squares_of(row: u32, first: u32, step: u32, mean: f32) -> f32 {
  var squares = vec4f();
  for (var c = first; c < p.C; c += step) {
    let d = x_at(row * p.C + c) - mean;
    squares += d * d;
  }
  return total(squares);
}
fn slopes_of(row: u32, first: u32, step: u32) -> vec2f {
  let s = statistics[row];
  var sum = vec4f();
  var sum_n = vec4f();
  for (var c = first; c < p.C; c += step) {
    let g = dy_at(row * p.C + c) * weight_at(c);
    sum += g;
    sum_n += g * (x_at(row * p.C + c) - s.x) * s.y;
  }
  return vec2f(total(sum), total(sum_n));
}

fn store_y(row: u32, first: u32, step: u32, mean: f32, rstd: f32) {
  for (var c = first; c < p.C; c += step) {
    let i = row * p.C + c;
    let v = (x_at(i) - mean) * rstd * weight_at(c) + bias_at(c);
    y[i] = Real(v.x);
    if (WIDE) {
      y[i + 1u] = Real(v.y);
      y[i + 2u] = Real(v.z);
      y[i + 3u] = Real(v.w);
    }
  }
}
fn store_dx(row: u32, first: u32, step: u32, sums: vec2f) {
  let s = statistics[row];
  let mean_g = select(0.0, sums.x / f32(p.C), CENTER);
  let mean_gn = sums.y / f32(p.C);
  for (var c = first; c < p.C; c += step) {
    let i = row * p.C + c;
    let n = (x_at(i) - s.x) * s.y;
    var slope = s.y * (dy_at(i) * weight_at(c) - mean_g - n * mean_gn);
    if (ADD && COPIED && WIDE) {
      slope += vec4f(dx_copy[i / 4u]);
    } else if (ADD) {
      slope.x += f32(dx[i]);
      if (WIDE) { slope += vec4f(0.0, f32(dx[i + 1u]), f32(dx[i + 2u]), f32(dx[i + 3u])); }
    }
    dx[i] = Real(slope.x);
    if (WIDE) {
      dx[i + 1u] = Real(slope.y);
      dx[i + 2u] = Real(slope.z);
      dx[i + 3u] = Real(slope.w);
    }
  }
}

@compute @workgroup_size(LANES)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = id.x + id.y * (groups.x * LANES);
  if (row >= p.rows) { return; }
  var mean = 0.0;
  if (CENTER) { mean = sum_of(row, 0u, WIDTH) / f32(p.C); }
  let rstd = inverseSqrt(squares_of(row, 0u, WIDTH, mean) / f32(p.C) + p.eps);
  stats[row] = vec2f(mean, rstd);
  store_y(row, 0u, WIDTH, mean, rstd);
}

@compute @workgroup_size(ROW_LANES)
fn forward_shared(here: Invocation) {
  let row = group_of(here);
  if (row >= p.rows) { return; }
  var mean = 0.0;
  if (CENTER) { mean = sum_over_lanes(here.lane, vec2f(sum_of(row, here.lane * WIDTH, ROW_LANES * WIDTH), 0.0)).x / f32(p.C); }
  let squares = sum_over_lanes(here.lane, vec2f(squares_of(row, here.lane * WIDTH, ROW_LANES * WIDTH, mean), 0.0)).x;
  let rstd = inverseSqrt(squares / f32(p.C) + p.eps);
  if (here.lane == 0u) { stats[row] = vec2f(mean, rstd); }
  store_y(row, here.lane * WIDTH, ROW_LANES * WIDTH, mean, rstd);
}

@compute @workgroup_size(LANES)
fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = id.x + id.y * (groups.x * LANES);
  if (row >= p.rows) { return; }
  store_dx(row, 0u, WIDTH, slopes_of(row, 0u, WIDTH));
}

@compute @workgroup_size(ROW_LANES)
fn backward_shared(here: Invocation) {
  let row = group_of(here);
  if (row >= p.rows) { return; }
  store_dx(row, here.lane * WIDTH, ROW_LANES * WIDTH, sum_over_lanes(here.lane, slopes_of(row, here.lane * WIDTH, ROW_LANES * WIDTH)));
}

@compute @workgroup_size(LANES)
fn backward_parameters(here: Invocation) {
  let group = group_of(here);
  let tiles = (p.C + LANES * WIDTH - 1u) / (LANES * WIDTH);
  let c = (group % tiles * LANES + here.lane) * WIDTH;
  let stretch = group / tiles;  // one for all of a workgroup, so that its rows are, too
  if (stretch >= p.stretches || c >= p.C) { return; }
  let first = stretch * p.chunk;
  var sum_weight = vec4f();
  var sum_bias = vec4f();
  for (var row = first; row < min(first + p.chunk, p.rows); row++) {
    let s = statistics[row];
    let g = dy_at(row * p.C + c);
    sum_weight += g * (x_at(row * p.C + c) - s.x) * s.y;
    sum_bias += g;
  }
  for (var i = 0u; i < WIDTH; i++) {
    d_weight[stretch * p.C + c + i] = sum_weight[i];
    d_bias[stretch * p.C + c + i] = sum_bias[i];
  }
}
