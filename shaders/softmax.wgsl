// y = softmax(x) = exp(x − lse), or with LOG log-softmax x − lse, over the last axis; lse = log Σ exp x, computed
// after the maximum is taken off. Backward: dx = y (dy − Σ dy · y), or with LOG dx = dy − exp(y) Σ dy.
// x, y, dy, dx: (rows, C). One invocation per row.

struct Params {
  rows: u32,
  C: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read> output: array<f32>;  // y, once it is computed
@group(0) @binding(4) var<storage, read> dy: array<f32>;
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;

override LOG: bool = false;

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
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
  if (LOG) {
    let log_total = log(total);
    for (var c = 0u; c < p.C; c++) { y[at + c] = x[at + c] - largest - log_total; }
  } else {
    let factor = 1.0 / total;
    for (var c = 0u; c < p.C; c++) { y[at + c] = exp(x[at + c] - largest) * factor; }
  }
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = id.x + id.y * (groups.x * 64u);
  if (row >= p.rows) { return; }
  let at = row * p.C;
  var sum = 0.0;
  for (var c = 0u; c < p.C; c++) { sum += dy[at + c] * select(output[at + c], 1.0, LOG); }
  for (var c = 0u; c < p.C; c++) {
    if (LOG) { dx[at + c] = dy[at + c] - exp(output[at + c]) * sum; }
    else { dx[at + c] = output[at + c] * (dy[at + c] - sum); }
  }
}
