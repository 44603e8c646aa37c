// Transposes a matrix: out[j, i] = x[i, j], one block of 4 × 4 per invocation. x: (rows, columns), both multiples of 4.

alias Real = f32;  // or f16

struct Params {
  rows: u32,     // in vec4s
  columns: u32,  // likewise
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<Real>>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4<Real>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * (groups.x * 64u);
  if (i >= p.rows * p.columns) { return; }
  let row = i % p.rows;
  let column = i / p.rows;
  let at = 4u * row * p.columns + column;
  let block = transpose(
    mat4x4f(vec4f(x[at]), vec4f(x[at + p.columns]), vec4f(x[at + 2u * p.columns]), vec4f(x[at + 3u * p.columns])),
  );
  let to = 4u * column * p.rows + row;
  out[to] = vec4<Real>(block[0]);
  out[to + p.rows] = vec4<Real>(block[1]);
  out[to + 2u * p.rows] = vec4<Real>(block[2]);
  out[to + 3u * p.rows] = vec4<Real>(block[3]);
}
