// C = A · B for a few rows, one batch: generation on CPUs.
//
// A workgroup is one subgroup of 8, whose lanes each load an eighth of a row of A and pass it on; each has ROWS rows and QUADS
// times four columns. B is (K, N), and vec4s run along n; or with TRANSPOSED (N, K), and they run along k: element (k, n) is at
// b_offset + k·b_step + n, or n·b_step + k. Rows of A have their k side by side. What lies beyond an edge is computed from
// whatever is there, and not stored. epilogue.wgsl stores.

alias Real = f32;  // or f16: what is stored; sums are f32

struct Params {
  M: u32, N: u32, K: u32,      // K is a multiple of 8
  tiles_n: u32,                // workgroups along N
  workgroups: u32,
  a_offset: u32, a_m: u32,     // where A begins, and from row to row
  b_offset: u32, b_step: u32,  // likewise; multiples of 4
  drop: f32, seed: u32, seed_high: u32, counter: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<Real>;
@group(0) @binding(2) var<storage, read> b: array<vec4<Real>>;

override TRANSPOSED: bool = false;

const ROWS: u32 = 1;   // tunable
const QUADS: u32 = 3;  // tunable

fn b_at(row: u32, quad: u32) -> vec4f { return vec4f(b[(p.b_offset + row * p.b_step) / 4u + quad]); }

@compute @workgroup_size(8)
fn main(here: Workgroup, @builtin(local_invocation_index) lane: u32) {
  let group = group_of(here);
  if (group >= p.workgroups) { return; }
  let first = group % p.tiles_n * QUADS * 8u + lane;  // in columns of four
  let m = group / p.tiles_n * ROWS;
  let K = min(p.K, arrayLength(&a));  // which llvmpipe cannot build the kernel for
  var sums: array<vec4f, ROWS * QUADS>;
  for (var i = 0u; i < ROWS * QUADS; i++) { sums[i] = vec4f(); }
  for (var k = 0u; k < K; k += 8u) {
    var own: array<f32, ROWS>;
    for (var r = 0u; r < ROWS; r++) { own[r] = f32(a[p.a_offset + (m + r) * p.a_m + k + lane]); }
    if (TRANSPOSED) {
      for (var half = 0u; half < 2u; half++) {
        var x: array<vec4f, ROWS>;
        let i = 4u * half;
        for (var r = 0u; r < ROWS; r++) {
          x[r] = vec4f(subgroupShuffle(own[r], i), subgroupShuffle(own[r], i + 1u),
            subgroupShuffle(own[r], i + 2u), subgroupShuffle(own[r], i + 3u));
        }
        for (var j = 0u; j < QUADS; j++) {
          let n = (first + j * 8u) * 4u;
          let at = k / 4u + half;
          let b0 = b_at(n, at);
          let b1 = b_at(n + 1u, at);
          let b2 = b_at(n + 2u, at);
          let b3 = b_at(n + 3u, at);
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
          let row = b_at(k + i, first + j * 8u);
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
