// Known answers, checked when a GPU is opened: a vec4 for each of 64 lanes, as bits.
// out: (64) of (integer hash, sum over the workgroup, row × matrix product, exp + tanh)

@group(0) @binding(0) var<storage, read_write> out: array<vec4u>;

var<workgroup> shared_values: array<f32, 64>;

fn pcg4d(seed: vec4u) -> vec4u {
  var v = seed * 1664525u + 1013904223u;
  v.x += v.y * v.w; v.y += v.z * v.x; v.z += v.x * v.y; v.w += v.y * v.z;
  v ^= v >> vec4u(16u);
  v.x += v.y * v.w; v.y += v.z * v.x; v.z += v.x * v.y; v.w += v.y * v.z;
  return v;
}

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_id) id: vec3u) {
  let lane = id.x;
  shared_values[63u - lane] = f32(lane);
  workgroupBarrier();
  var total = f32(lane);
  for (var i = 0u; i < 64u; i++) { total += shared_values[i]; }

  var matrix: array<array<f32, 4>, 4>;
  for (var k = 0u; k < 4u; k++) {
    for (var j = 0u; j < 4u; j++) { matrix[k][j] = f32(k * 4u + j); }
  }
  var product = 0.0;
  for (var k = 0u; k < 4u; k++) { product += f32(lane + k) * matrix[k][lane % 4u]; }

  let x = (f32(lane) - 32.0) / 8.0;
  let transcendental = exp(x) + tanh(x);
  out[lane] = vec4u(pcg4d(vec4u(lane, 1u, 2u, 3u)).x, bitcast<u32>(total), bitcast<u32>(product), bitcast<u32>(transcendental));
}
