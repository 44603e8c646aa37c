// forward:  y[o, k, i] = x[o, index[o, k, i], i]: along one axis, for outer coordinates o and inner ones i.
// backward: dx[o, a, i] = Σ_{k: index[o, k, i] = a} dy[o, k, i], in order of k: one invocation per element of dx.
// x, dx: (outer, A, inner); index, y, dy: (outer, K, inner). An index outside the axis gives NaN.

struct Params {
  outer: u32,
  A: u32,
  K: u32,
  inner: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> index: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read> dy: array<f32>;
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let at = id.x + id.y * (groups.x * 64u);
  if (at >= p.outer * p.K * p.inner) { return; }
  let a = index[at];
  let o = at / (p.K * p.inner);
  if (a < p.A) { y[at] = x[(o * p.A + a) * p.inner + at % p.inner]; }
  else { y[at] = bitcast<f32>(0x7fc00000u | (p.A & 1u)); }
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let at = id.x + id.y * (groups.x * 64u);
  if (at >= p.outer * p.A * p.inner) { return; }
  let i = at % p.inner;
  let a = (at / p.inner) % p.A;
  let o = at / (p.A * p.inner);
  var sum = 0.0;
  for (var k = 0u; k < p.K; k++) {
    let from_k = (o * p.K + k) * p.inner + i;
    if (index[from_k] == a) { sum += dy[from_k]; }
  }
  dx[at] = sum;
}
