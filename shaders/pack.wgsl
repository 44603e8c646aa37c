// Lays a matrix out k-major for matmul.wgsl: packed[batch, k, m] = x[batch, m·step_m + k·step_k], as vec4s over m,
// zero beyond M.

struct Params {
  M: u32,
  K: u32,
  vectors: u32,   // vec4s of a row of packed: M / 4 or more
  step_m: u32,
  step_k: u32,
  size: u32,      // vec4s in all
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> packed: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * (groups.x * 64u);
  if (i >= p.size) { return; }
  let m = 4u * (i % p.vectors);
  let k = (i / p.vectors) % p.K;
  let at = (i / (p.vectors * p.K)) * (p.M * p.K) + m * p.step_m + k * p.step_k;
  var v = vec4f();
  for (var j = 0u; j < 4u; j++) {
    if (m + j < p.M) { v[j] = x[at + j * p.step_m]; }
  }
  packed[i] = v;
}
