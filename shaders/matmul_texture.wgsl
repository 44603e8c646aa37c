// C = A · B for a few rows, with B in a texture: generation on CPUs. llvmpipe reads a buffer element by element and lane by lane,
// and a texel of four at once, so that B comes about six times as fast.
//
// A workgroup is one subgroup of 8, whose lanes each load an eighth of a row of A and pass it on; each has ROWS rows and QUADS
// times four columns. B is (K, N), four columns to a texel; or with TRANSPOSED (N, K), four k to a texel. Where B has more rows
// than a texture may, it goes on beside itself: row r is at x = r / height · width, y = r % height. epilogue.wgsl stores.

alias Real = f32;  // or f16: of A

struct Params {
  M: u32, N: u32, K: u32,   // K is a multiple of 8, N of 4 unless TRANSPOSED
  tiles_n: u32,             // workgroups along N
  workgroups: u32,
  height: u32, width: u32,  // of B, in texels
  a_offset: u32, a_m: u32,  // where A begins, and from row to row
  drop: f32, seed: u32, seed_high: u32, counter: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<Real>;
@group(0) @binding(2) var b: texture_2d<f32>;

override TRANSPOSED: bool = false;

const ROWS: u32 = 1;   // tunable
const QUADS: u32 = 3;  // tunable

fn texel(row: u32, column: u32) -> vec4f {
  return textureLoad(b, vec2u(row / p.height * p.width + column, row % p.height), 0);
}

@compute @workgroup_size(8)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) lane: vec3u,
) {
  let group = workgroup.x + workgroup.y * groups.x;
  if (group >= p.workgroups) { return; }
  let first = group % p.tiles_n * QUADS * 8u + lane.x;  // in columns of four
  let m = group / p.tiles_n * ROWS;
  let K = min(p.K, arrayLength(&a));  // which llvmpipe cannot build the kernel for
  var sums: array<vec4f, ROWS * QUADS>;
  for (var i = 0u; i < ROWS * QUADS; i++) { sums[i] = vec4f(); }
  for (var k = 0u; k < K; k += 8u) {
    var own: array<f32, ROWS>;
    for (var r = 0u; r < ROWS; r++) { own[r] = f32(a[p.a_offset + (m + r) * p.a_m + k + lane.x]); }
    if (TRANSPOSED) {
      for (var half = 0u; half < 2u; half++) {
        var x: array<vec4f, ROWS>;
        for (var r = 0u; r < ROWS; r++) {
          x[r] = vec4f(
            subgroupShuffle(own[r], 4u * half),
            subgroupShuffle(own[r], 4u * half + 1u),
            subgroupShuffle(own[r], 4u * half + 2u),
            subgroupShuffle(own[r], 4u * half + 3u),
          );
        }
        for (var j = 0u; j < QUADS; j++) {
          let n = (first + j * 8u) * 4u;
          let at = k / 4u + half;
          let b0 = texel(n, at);
          let b1 = texel(n + 1u, at);
          let b2 = texel(n + 2u, at);
          let b3 = texel(n + 3u, at);
          for (var r = 0u; r < ROWS; r++) {
            sums[r * QUADS + j] += vec4f(dot(x[r], b0), dot(x[r], b1), dot(x[r], b2), dot(x[r], b3));
          }
        }
      }
    } else {
      for (var i = 0u; i < 8u; i++) {
        var x: array<f32, ROWS>;
        for (var r = 0u; r < ROWS; r++) { x[r] = subgroupShuffle(own[r], i); }
        for (var j = 0u; j < QUADS; j++) {
          let row = texel(k + i, first + j * 8u);
          for (var r = 0u; r < ROWS; r++) { sums[r * QUADS + j] += x[r] * row; }
        }
      }
    }
  }
  for (var i = 0u; i < ROWS * QUADS; i++) {
    let n = (first + i % QUADS * 8u) * 4u;
    if (n < p.N) { store_row(0u, m + i / QUADS, n, sums[i], bias_of(n)); }
  }
}
