// GELU (Hendrycks & Gimpel 2016): y = x · Φ(x), with Φ the normal distribution function.
// TANH: GPT-2's approximation of Φ; otherwise the error function. Both are in gelu_curve.wgsl.
// x, dy, out: flat, as vec4s.

alias Real = f32;  // or f16: what is stored; sums are f32

struct Params {
  size: u32,  // elements
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<Real>>;
@group(0) @binding(2) var<storage, read> dy: array<vec4<Real>>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<Real>>;

override TANH: bool = true;

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * (groups.x * 64u);
  if (i * 4u >= p.size) { return; }
  let v = vec4f(x[i]);
  out[i] = vec4<Real>(v * gelu_cdf(v, TANH));
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * (groups.x * 64u);
  if (i * 4u >= p.size) { return; }
  let v = vec4f(x[i]);
  out[i] = vec4<Real>(vec4f(dy[i]) * gelu_slope(v, TANH));
}
