// fill: out[i] = value          copy: out[i] = x[i]
// x, out: flat, as vec4s of raw bits: a buffer is always a multiple of 16 bytes long.

struct Params {
  size: u32,  // elements
  value: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4u>;

@compute @workgroup_size(64)
fn fill(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * (groups.x * 64u);
  if (i * 4u >= p.size) { return; }
  out[i] = vec4u(bitcast<u32>(p.value));
}

@compute @workgroup_size(64)
fn copy(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * (groups.x * 64u);
  if (i * 4u >= p.size) { return; }
  out[i] = x[i];
}
