// loss = (1 / count) Σ_rows (lse − logits[row, target]) over the rows whose target is counted, with
// lse = log Σ exp logits[row]. A target that is neither a class nor `ignore_index` makes the loss NaN.
// Logits may come in chunks of rows; targets, lse and losses are those of all rows, from row `first` on.
// Backward: dlogits[row, c] = dloss / count · (exp(logits[row, c] − lse) − [c = target]), and 0 for rows not counted.
// logits: (rows, C); targets, lse, losses: (all rows). `slopes` leaves the factor dloss / count to `rescale`.

alias Real = f32;  // or f16: of gradients; logits, losses and sums are f32

struct Params {
  rows: u32,
  C: u32,
  ignore_index: i32,
  first: u32,      // row of the first of these logits among all rows
  size: u32,       // elements, of rescale
}

const LANES: u32 = 256;  // of the mean

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> targets: array<i32>;
@group(0) @binding(3) var<storage, read_write> lse: array<f32>;
@group(0) @binding(4) var<storage, read_write> losses: array<f32>;
@group(0) @binding(5) var<storage, read> row_losses: array<f32>;         // losses, once they are computed
@group(0) @binding(6) var<storage, read_write> partial: array<vec2f>;    // (LANES) of (sum, count)
@group(0) @binding(7) var<storage, read> partials: array<vec2f>;         // partial, once it is computed
@group(0) @binding(8) var<storage, read_write> loss: array<f32>;         // (2): loss, count
@group(0) @binding(9) var<storage, read> loss_and_count: array<f32>;     // loss, once it is computed
@group(0) @binding(10) var<storage, read> log_sum_exp: array<f32>;       // lse, once it is computed
@group(0) @binding(11) var<storage, read> d_loss: array<f32>;            // (1)
@group(0) @binding(12) var<storage, read_write> d_logits: array<Real>;
@group(0) @binding(13) var<storage, read> x: array<Real>;                 // what is rescaled
@group(0) @binding(14) var<storage, read_write> out: array<Real>;

// (m, t) of every step-th logit of a row from the first-th on, online: when a larger one comes, t shrinks.
fn total_of(row: u32, first: u32, step: u32) -> vec2f {
  var total = vec2f(-3.0e38, 0.0);
  for (var c = first; c < p.C; c += step) { total = add_exponentials(total, vec2f(logits[row * p.C + c], 1.0)); }
  return total;
}

fn store_loss(row: u32, total: vec2f) {
  let normalizer = total.x + log(total.y);
  lse[p.first + row] = normalizer;
  let target_id = targets[p.first + row];
  var result = bitcast<f32>(0x7fc00000u | (p.C & 1u));
  if (target_id == p.ignore_index) { result = 0.0; }
  else if (target_id >= 0 && target_id < i32(p.C)) { result = normalizer - logits[row * p.C + u32(target_id)]; }
  losses[p.first + row] = result;
}

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = id.x + id.y * (groups.x * 64u);
  if (row >= p.rows) { return; }
  store_loss(row, total_of(row, 0u, 1u));
}

@compute @workgroup_size(ROW_LANES)
fn forward_shared(here: Workgroup, @builtin(local_invocation_index) lane: u32) {
  let row = group_of(here);
  if (row >= p.rows) { return; }
  let total = add_exponentials_over_lanes(lane, total_of(row, lane, ROW_LANES));
  if (lane == 0u) { store_loss(row, total); }
}

// Each of LANES invocations adds every LANES-th row; `mean` adds those sums.
@compute @workgroup_size(64)
fn add_rows(@builtin(global_invocation_id) id: vec3u) {
  var sum = vec2f();
  // Sums of 64 rows are added up: long sums of single rows would lose digits.
  for (var first = id.x; first < p.rows; first += 64u * LANES) {
    var part = vec2f();
    for (var row = first; row < min(first + 64u * LANES, p.rows); row += LANES) {
      if (targets[row] != p.ignore_index) { part += vec2f(row_losses[row], 1.0); }
    }
    sum += part;
  }
  partial[id.x] = sum;
}

@compute @workgroup_size(1)
fn mean() {
  var sum = vec2f();
  for (var i = 0u; i < LANES; i++) { sum += partials[i]; }
  loss[0] = sum.x / sum.y;
  loss[1] = sum.y;
}

// exp(logits − lse) − [c = target] of one element, 0 in rows that are not counted.
fn slope(i: u32) -> f32 {
  let row = p.first + i / p.C;
  let target_id = targets[row];
  let one_hot = select(0.0, 1.0, i32(i % p.C) == target_id);
  return select(exp(logits[i] - log_sum_exp[row]) - one_hot, 0.0, target_id == p.ignore_index);
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * (groups.x * 64u);
  if (i >= p.rows * p.C) { return; }
  d_logits[i] = Real(slope(i) * d_loss[0] / loss_and_count[1]);
}

@compute @workgroup_size(64)
fn slopes(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * (groups.x * 64u);
  if (i >= p.rows * p.C) { return; }
  d_logits[i] = Real(slope(i));
}

@compute @workgroup_size(64)
fn rescale(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * (groups.x * 64u);
  if (i >= p.size) { return; }
  out[i] = Real(f32(x[i]) * d_loss[0] / loss_and_count[1]);
}
