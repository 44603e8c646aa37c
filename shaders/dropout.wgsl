// out[i] = x[i] · mask[i] / (1 − drop), with mask[i] = 0 with probability drop and 1 otherwise. The same kernel gives
// the gradient. The mask is a hash of the key and the index: pcg4d of Jarzynski & Olano, "Hash Functions for GPU
// Rendering", 2020, which gives the four elements of a vec4 at once.
// x, out: flat, as vec4s.

alias Real = f32;  // or f16: what is stored; sums are f32

struct Params {
  size: u32,       // elements
  drop: f32,       // probability, above 0
  seed: u32,
  seed_high: u32,
  counter: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<Real>>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4<Real>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * (groups.x * 64u);
  if (i * 4u >= p.size) { return; }
  let draws = vec4f(pcg4d(vec4u(p.seed, p.seed_high, p.counter, i)) >> vec4u(8u)) * 0x1p-24;
  out[i] = vec4<Real>(select(vec4f(0.0), vec4f(x[i]) / (1.0 - p.drop), draws >= vec4f(p.drop)));
}
