// out = x in another type of number. Numbers that f16 cannot hold, from 65,520 on, become infinite.
// x, out: flat, as vec4s.

alias From = f32;  // or f16
alias To = f32;    // or f16

struct Params {
  size: u32,  // elements
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<From>>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4<To>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * (groups.x * 64u);
  if (i * 4u >= p.size) { return; }
  out[i] = vec4<To>(x[i]);
}
