// y = softmax(x) = exp(x − m) / t, or with LOG log-softmax x − m − log t, over the last axis; m = max x, t = Σ exp(x − m).
// Backward: dx = y (dy − s), s = Σ dy · y, or with LOG dx = dy − exp(y) s, s = Σ dy.
// x, y, dy, dx: (rows, C). row_total and row_sum take one invocation per row, the others one per element.

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

@compute @workgroup_size(64)
fn row_total(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = id.x + id.y * (groups.x * 64u);
  if (row >= p.rows) { return; }
  let at = row * p.C;
  var largest = x[at];
  var total = 0.0;
  for (var c = 0u; c < p.C; c++) {  // online: when a larger element comes, the sum so far shrinks
    let before = largest;
    largest = max(largest, x[at + c]);
    total = total * exp(before - largest) + exp(x[at + c] - largest);
  }
  rows[row] = vec2f(largest, total);
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
  var sum = 0.0;
  for (var c = 0u; c < p.C; c++) { sum += dy[row * p.C + c] * select(y[row * p.C + c], 1.0, LOG); }
  rows[row] = vec2f(sum, 0.0);
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * (groups.x * 64u);
  if (i >= p.rows * p.C) { return; }
  let s = by_row[i / p.C].x;
  if (LOG) { out[i] = dy[i] - exp(y[i]) * s; } else { out[i] = y[i] * (dy[i] - s); }
}
