// GELU (Hendrycks & Gimpel 2016): y = x · Φ(x), with Φ the normal distribution function.
// TANH: Φ(x) ≈ ½ (1 + tanh u) = sigmoid(2u), u = √(2/π) (x + 0.044715 x³), as GPT-2 uses it; otherwise Φ(x) = ½ (1 + erf(x/√2)).
// x, dy, out: flat, as vec4s.

struct Params {
  size: u32,  // elements
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> dy: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4f>;

override TANH: bool = true;

// sigmoid(2u): in the left tail precise where ½ (1 + tanh u) would cancel, and no exponential overflows.
fn tanh_cdf(v: vec4f) -> vec4f {
  let u = 0.79788456 * (v + 0.044715 * v * v * v);
  let e = exp(-2.0 * abs(u));
  return select(vec4f(1.0), e, u < vec4f(0.0)) / (1.0 + e);
}

// The complementary error function for v ≥ 0, times e^(v²), by its Chebyshev series in t = 2 / (2 + v): the
// relative error of erfc stays below 1.2e-7 (Press et al., Numerical Recipes, 6.2).
fn scaled_erfc(v: vec4f) -> vec4f {
  let t = 1.0 / (1.0 + 0.5 * v);
  return t * exp(-1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418 + t * (-0.18628806 +
    t * (0.27886807 + t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277)))))))));
}

// Φ and its density φ, from one exponential of −x²/2.
fn normal_cdf(v: vec4f, bell: vec4f) -> vec4f {
  let tail = 0.5 * scaled_erfc(abs(v) * 0.70710678) * bell;
  return select(1.0 - tail, tail, v < vec4f(0.0));
}

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * (groups.x * 64u);
  if (i * 4u >= p.size) { return; }
  let v = x[i];
  if (TANH) {
    out[i] = v * tanh_cdf(v);
  } else {
    out[i] = v * normal_cdf(v, exp(-0.5 * v * v));
  }
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * (groups.x * 64u);
  if (i * 4u >= p.size) { return; }
  let v = x[i];
  var slope: vec4f;
  if (TANH) {
    let s = tanh_cdf(v);
    slope = s + v * s * (1.0 - s) * 1.59576912 * (1.0 + 0.134145 * v * v);
  } else {
    let bell = exp(-0.5 * v * v);
    slope = normal_cdf(v, bell) + v * 0.39894228 * bell;
  }
  out[i] = dy[i] * slope;
}
