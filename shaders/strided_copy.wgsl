// out[Σ c·out_stride + out_offset] = x[Σ c·x_stride + x_offset] for all coordinates c over a shape: one kernel for
// permutations, slices, concatenations and stretching. Elements are copied as they are, whatever their type.

alias Element = u32;  // bits of any type of 4 bytes, or f16

struct Params {
  size: u32,                     // of the shape
  x_offset: u32,
  out_offset: u32,
  shape: array<vec4u, 2>,        // up to 8 dimensions, last ones first
  x_strides: array<vec4u, 2>,
  out_strides: array<vec4u, 2>,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Element>;
@group(0) @binding(2) var<storage, read_write> out: array<Element>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * (groups.x * 64u);
  if (i >= p.size) { return; }
  var rest = i;
  var source = p.x_offset;
  var destination = p.out_offset;
  for (var d = 0u; d < 8u; d++) {
    if (rest == 0u) { break; }
    let c = rest % p.shape[d / 4u][d % 4u];
    rest /= p.shape[d / 4u][d % 4u];
    source += c * p.x_strides[d / 4u][d % 4u];
    destination += c * p.out_strides[d / 4u][d % 4u];
  }
  out[destination] = x[source];
}
