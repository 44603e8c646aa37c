// Scaled dot-product attention with the scores in memory: what lies between the matrix products, by rows of (Tq, Tk).
//
//   forward:  P = softmax(scale · S) over the keys that a query may see, 0 elsewhere;  Z = P · mask of dropout
//   backward: dS = scale · P (mask · dZ − D), D = Σ_keys Z · dZ
//
// S = Q Kᵀ, O = Z V, dZ = dO Vᵀ, dQ = dS K, dK = dSᵀ Q and dV = Zᵀ dO are products by matmul_*.wgsl. scores, P, Z, dZ, dS:
// (rows, Tk) with a row for each batch, head and query. One invocation per row, or in *_shared one workgroup.

alias Real = f32;  // or f16: what is stored; scores and sums are f32

struct Params {
  rows: u32,  // B · H · Tq
  Tq: u32,
  Tk: u32,
  scale: f32,
  drop: f32, seed: u32, seed_high: u32, counter: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> scores: array<f32>;
@group(0) @binding(2) var<storage, read_write> probabilities: array<Real>;  // P
@group(0) @binding(3) var<storage, read_write> kept: array<Real>;           // Z
@group(0) @binding(4) var<storage, read> softmax: array<Real>;              // P, once it is computed
@group(0) @binding(5) var<storage, read> d_kept: array<f32>;                // dZ
@group(0) @binding(6) var<storage, read_write> d_scores: array<Real>;       // dS

override CAUSAL: bool = true;
override DROPOUT: bool = false;

// 0, or 1 / (1 − drop), for the element of this index: the same mask as attention's other kernels make.
fn factor(index: u32) -> f32 {
  if (!DROPOUT) { return 1.0; }
  let draw = f32(pcg4d(vec4u(p.seed, p.seed_high, p.counter, index)).x >> 8u) * 0x1p-24;
  return select(0.0, 1.0 / (1.0 - p.drop), draw >= p.drop);
}

fn keys_of(row: u32) -> u32 {
  return select(p.Tk, row % p.Tq + 1u + p.Tk - p.Tq, CAUSAL);
}

// (m, Σ exp(x − m)) of every step-th score from the first-th on, online.
fn total_of(row: u32, first: u32, step: u32) -> vec2f {
  var total = vec2f(-3.0e38, 0.0);
  for (var j = first; j < keys_of(row); j += step) {
    total = add_exponentials(total, vec2f(p.scale * scores[row * p.Tk + j], 1.0));
  }
  return total;
}

fn store_probabilities(row: u32, first: u32, step: u32, total: vec2f) {
  for (var j = first; j < p.Tk; j += step) {
    let i = row * p.Tk + j;
    let v = select(0.0, exp(p.scale * scores[i] - total.x) / total.y, j < keys_of(row));
    probabilities[i] = Real(v);
    if (DROPOUT) { kept[i] = Real(v * factor(i)); }
  }
}

fn sum_of(row: u32, first: u32, step: u32) -> f32 {
  var sum = 0.0;
  for (var j = first; j < keys_of(row); j += step) {
    let i = row * p.Tk + j;
    sum += f32(softmax[i]) * factor(i) * d_kept[i];
  }
  return sum;
}

fn store_slopes(row: u32, first: u32, step: u32, sum: f32) {
  for (var j = first; j < p.Tk; j += step) {
    let i = row * p.Tk + j;
    let slope = p.scale * f32(softmax[i]) * (factor(i) * d_kept[i] - sum);
    d_scores[i] = Real(select(0.0, slope, j < keys_of(row)));
  }
}

@compute @workgroup_size(32)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = id.x + id.y * (groups.x * 32u);
  if (row >= p.rows) { return; }
  store_probabilities(row, 0u, 1u, total_of(row, 0u, 1u));
}

@compute @workgroup_size(ROW_LANES)
fn forward_shared(here: Workgroup, @builtin(local_invocation_index) lane: u32) {
  let row = group_of(here);
  if (row >= p.rows) { return; }
  store_probabilities(row, lane, ROW_LANES, add_exponentials_over_lanes(lane, total_of(row, lane, ROW_LANES)));
}

@compute @workgroup_size(32)
fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = id.x + id.y * (groups.x * 32u);
  if (row >= p.rows) { return; }
  store_slopes(row, 0u, 1u, sum_of(row, 0u, 1u));
}

@compute @workgroup_size(ROW_LANES)
fn backward_shared(here: Workgroup, @builtin(local_invocation_index) lane: u32) {
  let row = group_of(here);
  if (row >= p.rows) { return; }
  store_slopes(row, lane, ROW_LANES, sum_over_lanes(lane, vec2f(sum_of(row, lane, ROW_LANES), 0.0)).x);
}
