// What an adapter can do at best: multiply_add keeps chains of vec4s busy, copy moves vec4s, nothing does
// nothing.

struct Params {
  size: u32,    // vec4s of x and out
  rounds: u32,  // of 24 vec4 multiply-adds each
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;

fn four(v: vec4f, factor: vec4f, summand: vec4f) -> vec4f {
  return fma(fma(fma(fma(v, factor, summand), factor, summand), factor, summand), factor, summand);
}

// Three chains of vec4s: with factor and summand, what the 16 registers of a CPU can hold of vectors of 8.
@compute @workgroup_size(64)
fn multiply_add(@builtin(global_invocation_id) id: vec3u) {
  var a = vec4f(f32(id.x));
  var b = a + 1.0;
  var c = a + 2.0;
  let factor = vec4f(0.999);
  let summand = vec4f(f32(p.size));
  let rounds = p.rounds;  // llvmpipe would read it again in each
  for (var round = 0u; round < rounds; round++) {
    a = four(a, factor, summand);
    b = four(b, factor, summand);
    c = four(c, factor, summand);
    a = four(a, factor, summand);
    b = four(b, factor, summand);
    c = four(c, factor, summand);
  }
  out[id.x % p.size] = a + b + c;
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
