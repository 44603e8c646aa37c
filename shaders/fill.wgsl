// out = bits, again and again. out: flat, as vec4s of raw bits: a buffer is always a multiple of 16 bytes long.

struct Params {
  vectors: u32,  // of 16 bytes
  bits: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<vec4u>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * (groups.x * 64u);
  if (i >= p.vectors) { return; }
  out[i] = vec4u(p.bits);
}
