// The curve of GELU (Hendrycks & Gimpel 2016) and its slope: y = x · Φ(x), with Φ the normal distribution function.
// tanh: Φ(x) ≈ ½ (1 + tanh u) = sigmoid(2u), u = √(2/π) (x + 0.044715 x³), as GPT-2 uses it; otherwise
// Φ(x) = ½ (1 + erf(x/√2)). A part of the shaders that apply it.

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

fn gelu_cdf(v: vec4f, by_tanh: bool) -> vec4f {
  if (by_tanh) { return tanh_cdf(v); }
  return normal_cdf(v, exp(-0.5 * v * v));
}

fn gelu_slope(v: vec4f, by_tanh: bool) -> vec4f {
  if (by_tanh) {
    let s = tanh_cdf(v);
    return s + v * s * (1.0 - s) * 1.59576912 * (1.0 + 0.134145 * v * v);
  }
  let bell = exp(-0.5 * v * v);
  return normal_cdf(v, bell) + v * 0.39894228 * bell;
}
