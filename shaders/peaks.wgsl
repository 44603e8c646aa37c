// What an adapter can do at best: multiply_add keeps 16 independent vec4 chains busy, copy moves vec4s, nothing does
// nothing.

struct Params {
  size: u32,    // vec4s of x and out
  rounds: u32,  // of 16 vec4 multiply-adds each
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;

@compute @workgroup_size(64)
fn multiply_add(@builtin(global_invocation_id) id: vec3u) {
  var sums: array<vec4f, 16>;
  for (var i = 0u; i < 16u; i++) { sums[i] = vec4f(f32(id.x + i)); }
  let factor = vec4f(0.999);
  let summand = vec4f(f32(p.size));
  for (var round = 0u; round < p.rounds; round++) {
    for (var i = 0u; i < 16u; i++) { sums[i] = sums[i] * factor + summand; }
  }
  var total = vec4f();
  for (var i = 0u; i < 16u; i++) { total += sums[i]; }
  out[id.x % p.size] = total;
}

@compute @workgroup_size(64)
fn copy(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * (groups.x * 64u);
  if (i < p.size) { out[i] = x[i]; }
}

@compute @workgroup_size(64)
fn nothing(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= p.size) { out[0] = vec4f(); }
}
