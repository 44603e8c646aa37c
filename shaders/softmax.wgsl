// y = softmax(x) = exp(x − m) / t, or with LOG log-softmax x − m − log t, over the last axis; m = max x, t = Σ exp(x − m).
// Backward: dx = y (dy − s), s = Σ dy · y, or with LOG dx = dy − exp(y) s, s = Σ dy.
// x, y, dy, dx: (rows, C). row_total and row_sum take one invocation per row, or
// as *_shared one workgroup, the others one invocation per element.

struct Params {
  rows: u32,
  C: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> y: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read> by_row: array<vec2f>;        // rows, once they are computed
@group(0) @binding(5) var<storage, read_write> out: array<f32>;
@group(0) @binding(6) var<storage, read_write> rows: array<vec2f>;    // (m, t) or (s, 0) of each

override LOG: bool = false;

// (m, t) of every step-th element of a row from the first-th on, online: when a larger one comes, t shrinks.
fn total_of(row: u32, first: u32, step: u32) -> vec2f {
  var total = vec2f(-3.0e38, 0.0);
  for (var c = first; c < p.C; c += step) { total = add_exponentials(total, vec2f(x[row * p.C + c], 1.0)); }
  return total;
}
fn sum_of(row: u32, first: u32, step: u32) -> f32 {
  var sum = 0.0;
  for (var c = first; c < p.C; c += step) { sum += dy[row * p.C + c] * select(y[row * p.C + c], 1.0, LOG); }
  return sum;
}

@compute @workgroup_size(64)
fn row_total(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = id.x + id.y * (groups.x * 64u);
  if (row >= p.rows) { return; }
  rows[row] = total_of(row, 0u, 1u);
}

@compute @workgroup_size(ROW_LANES)
fn row_total_shared(here: Workgroup, @builtin(local_invocation_index) lane: u32) {
  let row = group_of(here);
  if (row >= p.rows) { return; }
  let total = add_exponentials_over_lanes(lane, total_of(row, lane, ROW_LANES));
  if (lane == 0u) { rows[row] = total; }
}

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * (groups.x * 64u);
  if (i >= p.rows * p.C) { return; }
  let row = by_row[i / p.C];
  if (LOG) { out[i] = x[i] - row.x - log(row.y); } else { out[i] = exp(x[i] - row.x) / row.y; }
}

@compute @workgroup_size(64)
fn row_sum(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = id.x + id.y * (groups.x * 64u);
  if (row >= p.rows) { return; }
  rows[row] = vec2f(sum_of(row, 0u, 1u), 0.0);
}

@compute @workgroup_size(ROW_LANES)
fn row_sum_shared(here: Workgroup, @builtin(local_invocation_index) lane: u32) {
  let row = group_of(here);
  if (row >= p.rows) { return; }
  let sum = sum_over_lanes(lane, vec2f(sum_of(row, lane, ROW_LANES), 0.0));
  if (lane == 0u) { rows[row] = sum; }
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * (groups.x * 64u);
  if (i >= p.rows * p.C) { return; }
  let s = by_row[i / p.C].x;
  if (LOG) { out[i] = dy[i] - exp(y[i]) * s; } else { out[i] = y[i] * (dy[i] - s); }
}
