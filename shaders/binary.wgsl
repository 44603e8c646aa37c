// out = a ∘ b for ∘ in + − × ÷, and the gradients of × and ÷.
//
// The plain entry points take operands of one shape, flat and as vec4s. Those named *_broadcast take operands
// whose dimensions of size 1 stretch: the element at coordinates c is a[Σ c·stride_a] ∘ b[Σ c·stride_b], where a
// stretched dimension has stride 0.

alias Real = f32;  // or f16: what is stored; sums are f32

struct Params {
  size: u32,                   // elements of out
  shape: array<vec4u, 2>,      // of out, up to 8 dimensions, last ones first
  a_strides: array<vec4u, 2>,  // in the same order
  b_strides: array<vec4u, 2>,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4<Real>>;
@group(0) @binding(2) var<storage, read> b: array<vec4<Real>>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<Real>>;
@group(0) @binding(4) var<storage, read> a_any: array<Real>;
@group(0) @binding(5) var<storage, read> b_any: array<Real>;
@group(0) @binding(6) var<storage, read_write> out_any: array<Real>;

override OP: u32 = 0u;  // 0 add, 1 sub, 2 mul, 3 div, 4 −(a ÷ b²): the gradient of ÷ by its divisor, over dy·a

fn apply(m: vec4f, n: vec4f) -> vec4f {
  switch OP {
    case 0u: { return m + n; }
    case 1u: { return m - n; }
    case 2u: { return m * n; }
    case 3u: { return m / n; }
    default: { return -m / (n * n); }
  }
}

@compute @workgroup_size(64)
fn same(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * (groups.x * 64u);
  if (i * 4u >= p.size) { return; }
  out[i] = vec4<Real>(apply(vec4f(a[i]), vec4f(b[i])));
}

// out += a, in place: gradients that meet.
@compute @workgroup_size(64)
fn accumulate(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * (groups.x * 64u);
  if (i * 4u >= p.size) { return; }
  out[i] = vec4<Real>(vec4f(out[i]) + vec4f(a[i]));
}

@compute @workgroup_size(64)
fn broadcast(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * (groups.x * 64u);
  if (i >= p.size) { return; }
  var rest = i;
  var at_a = 0u;
  var at_b = 0u;
  for (var d = 0u; d < 8u; d++) {
    let extent = p.shape[d / 4u][d % 4u];
    if (rest == 0u) { break; }
    let c = rest % extent;
    rest /= extent;
    at_a += c * p.a_strides[d / 4u][d % 4u];
    at_b += c * p.b_strides[d / 4u][d % 4u];
  }
  out_any[i] = Real(apply(vec4f(f32(a_any[at_a])), vec4f(f32(b_any[at_b]))).x);
}
