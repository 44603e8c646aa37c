// y = f(x) element by element, and dx = dy · f'(x), where each derivative is written with the value that is at
// hand: x, or y = f(x).
// x, y, dy, out: flat, as vec4s. FUNCTION names f; a and b are its numbers.

struct Params {
  size: u32,  // elements
  a: f32,
  b: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> y: array<vec4f>;
@group(0) @binding(3) var<storage, read> dy: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> out: array<vec4f>;

override FUNCTION: u32 = 0u;

// Through exp of a negative number only, as tanh below: nothing overflows.
fn sigmoid(v: vec4f) -> vec4f {
  let e = exp(-abs(v));
  return select(vec4f(1.0), e, v < vec4f(0.0)) / (1.0 + e);
}

fn stable_tanh(v: vec4f) -> vec4f {
  let e = exp(-2.0 * abs(v));
  return sign(v) * (1.0 - e) / (1.0 + e);
}

// x^a, where a negative base is defined for whole exponents alone. WGSL leaves pow of a negative base undefined.
fn power(v: vec4f, a: f32) -> vec4f {
  let magnitude = select(pow(abs(v), vec4f(a)), vec4f(1.0), vec4<bool>(a == 0.0));
  if (a != floor(a)) { return select(magnitude, vec4f(bitcast<f32>(0x7fc00000u | (p.size & 1u))), v < vec4f(0.0)); }
  let odd = abs(a) % 2.0 == 1.0;
  return select(magnitude, -magnitude, (v < vec4f(0.0)) & vec4<bool>(odd));
}

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * (groups.x * 64u);
  if (i * 4u >= p.size) { return; }
  let v = x[i];
  var result: vec4f;
  switch FUNCTION {
    case 0u: { result = v * p.a + p.b; }     // affine
    case 1u: { result = max(v, vec4f(0.0)); } // relu
    case 2u: { result = v * sigmoid(v); }     // silu
    case 3u: { result = sigmoid(v); }
    case 4u: { result = stable_tanh(v); }
    case 5u: { result = exp(v); }
    case 6u: { result = log(v); }
    case 7u: { result = sqrt(v); }
    default: { result = power(v, p.a); }
  }
  out[i] = result;
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * (groups.x * 64u);
  if (i * 4u >= p.size) { return; }
  let v = x[i];
  let f = y[i];
  var slope: vec4f;
  switch FUNCTION {
    case 0u: { slope = vec4f(p.a); }
    case 1u: { slope = select(vec4f(0.0), vec4f(1.0), v > vec4f(0.0)); }
    case 2u: { let s = sigmoid(v); slope = s + f * (1.0 - s); }
    case 3u: { slope = f * (1.0 - f); }
    case 4u: { slope = 1.0 - f * f; }
    case 5u: { slope = f; }
    case 6u: { slope = 1.0 / v; }
    case 7u: { slope = 0.5 / f; }
    default: { slope = select(p.a * power(v, p.a - 1.0), vec4f(0.0), vec4<bool>(p.a == 0.0)); }
  }
  out[i] = dy[i] * slope;
}
