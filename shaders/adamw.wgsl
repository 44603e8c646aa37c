// Clipping by the global norm and AdamW (Loshchilov & Hutter 2019), all on the GPU.
//
// sum_squares: partial sums of g² of one tensor, by `lanes` invocations; total_squares: those of each tensor;
// norm: state = (norm, scale, rate, root), of gradients that the loss scale S multiplied: norm = √Σ g² / S,
//   scale = min(1, clip / (norm + 1e-6)) / S, or 0 where the norm is not finite; rate = lr / (1 − β₁ᵗ), root = √(1 − β₂ᵗ).
// update, with g' = scale · g:
//   p ← p (1 − lr · decay);  m ← β₁ m + (1 − β₁) g';  v ← β₂ v + (1 − β₂) g'²
//   p ← p − rate · m / (√v / root + eps)
// A step whose norm is not finite changes nothing and does not count in t. With GROWTH the loss scale is dynamic
// (Micikevicius et al., "Mixed Precision Training", 2018): such a step halves it, GROWTH others in a row double it.
// Tensors are flat; p, g, m and v as vec4s.

struct Params {
  size: u32,             // elements of the tensor
  first: u32,            // of its partial sums
  lanes: u32,            // number of its partial sums
  tensor: u32,           // its place in totals; for norm: number of tensors
  clip: f32,             // 0 for none
  beta1: f32,
  one_minus_beta1: f32,  // rounded from float64, not from beta1
  beta2: f32,
  one_minus_beta2: f32,
  eps: f32,
  log_beta1: f32,
  log_beta2: f32,
  lr: f32,
  step: u32,             // from 1, those that changed nothing counted in
  shrink: f32,           // lr · decay
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> partial: array<f32>;
@group(0) @binding(3) var<storage, read> partials: array<f32>;
@group(0) @binding(4) var<storage, read_write> total: array<f32>;
@group(0) @binding(5) var<storage, read> totals: array<f32>;
@group(0) @binding(6) var<storage, read_write> state: array<f32>;         // (4): norm, scale, rate, root
@group(0) @binding(7) var<storage, read> norm_and_scale: array<f32>;      // state, once it is computed
@group(0) @binding(12) var<storage, read_write> loss_scale: array<f32>;   // (3): S, steps since it changed, steps that changed nothing
@group(0) @binding(11) var<storage, read> spans: array<vec2u>;            // where each tensor's partial sums begin and end
@group(0) @binding(8) var<storage, read_write> p: array<vec4f>;
@group(0) @binding(9) var<storage, read_write> m: array<vec4f>;
@group(0) @binding(10) var<storage, read_write> v: array<vec4f>;
@group(0) @binding(13) var<storage, read> p_copy: array<vec4f>;           // with COPIED, p as it is before the step
@group(0) @binding(14) var<storage, read> m_copy: array<vec4f>;           // likewise
@group(0) @binding(15) var<storage, read> v_copy: array<vec4f>;           // likewise

override GROWTH: u32 = 0u;
override COPIED: bool = false;  // whether what is written is read elsewhere: in textures, for llvmpipe

@compute @workgroup_size(64)
fn sum_squares(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.lanes) { return; }
  var sum = vec4f();
  let whole = params.size / 4u;
  // Four at a time: a round of the loop costs more than a square.
  let step = params.lanes;
  var i = id.x;
  for (; i + 3u * step < whole; i += 4u * step) {
    sum += (g[i] * g[i] + g[i + step] * g[i + step]) +
      (g[i + 2u * step] * g[i + 2u * step] + g[i + 3u * step] * g[i + 3u * step]);
  }
  for (; i < whole; i += step) { sum += g[i] * g[i]; }
  if (id.x == whole % params.lanes && params.size % 4u != 0u) {  // what lies beyond the last element is not zero
    let rest = select(vec4f(), g[whole], vec4u(0u, 1u, 2u, 3u) < vec4u(params.size % 4u));
    sum += rest * rest;
  }
  partial[params.first + id.x] = (sum.x + sum.y) + (sum.z + sum.w);
}

// One invocation per tensor.
@compute @workgroup_size(8)
fn total_squares(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.tensor) { return; }
  var sum = 0.0;
  for (var i = spans[id.x].x; i < spans[id.x].y; i++) { sum += partials[i]; }
  total[id.x] = sum;
}

// 1 − βᵗ by its series where the difference would lose digits.
fn one_minus_power(log_beta: f32, t: f32) -> f32 {
  let x = -log_beta * t;
  if (x > 0.5) { return 1.0 - exp(-x); }
  return x * (1.0 - x / 2.0 * (1.0 - x / 3.0 * (1.0 - x / 4.0 * (1.0 - x / 5.0 * (1.0 - x / 6.0 * (1.0 - x / 7.0))))));
}

@compute @workgroup_size(1)
fn norm() {
  var sum = 0.0;
  for (var i = 0u; i < params.tensor; i++) { sum += totals[i]; }
  let loss_scale_before = loss_scale[0];
  let value = sqrt(sum) / loss_scale_before;
  var scale = 1.0;
  if (params.clip > 0.0) { scale = min(1.0, params.clip / (value + 1e-6)); }
  // Tested on the bits: comparisons with NaN may be folded away.
  if ((bitcast<u32>(sum) & 0x7f800000u) == 0x7f800000u) {
    scale = 0.0;
    loss_scale[1] = 0.0;
    loss_scale[2] += 1.0;
    if (GROWTH > 0u) { loss_scale[0] = max(0.5 * loss_scale_before, 1.0); }
  } else {
    loss_scale[1] += 1.0;
    if (GROWTH > 0u && loss_scale[1] >= f32(GROWTH)) {
      loss_scale[1] = 0.0;
      loss_scale[0] = min(2.0 * loss_scale_before, 0x1p+24);
    }
  }
  let t = f32(params.step) - loss_scale[2];
  state[0] = value;
  state[1] = scale / loss_scale_before;
  state[2] = params.lr / one_minus_power(params.log_beta1, t);
  state[3] = sqrt(one_minus_power(params.log_beta2, t));
}

@compute @workgroup_size(64)
fn update(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * (groups.x * 64u);
  let scale = norm_and_scale[1];
  if (i * 4u >= params.size || scale == 0.0) { return; }
  var weight: vec4f; var mean: vec4f; var square: vec4f;
  if (COPIED) { weight = p_copy[i]; mean = m_copy[i]; square = v_copy[i]; }
  else { weight = p[i]; mean = m[i]; square = v[i]; }
  let gradient = scale * g[i];
  mean = params.beta1 * mean + params.one_minus_beta1 * gradient;
  square = params.beta2 * square + params.one_minus_beta2 * gradient * gradient;
  m[i] = mean;
  v[i] = square;
  p[i] = weight * (1.0 - params.shrink) - norm_and_scale[2] * mean / (sqrt(square) / norm_and_scale[3] + params.eps);
}
