// C = A · B, batched: C[m, n] = Σ_k A[m, k] · B[k, n], by register tiles of 32 × 16.
//
// For adapters that gain nothing from workgroup memory: CPUs, above all. An invocation keeps its tile as 8 × 4 blocks of
// 4 × 4, each a mat4x4f whose columns are rows of C, and adds to each block the outer product of four rows of A and four
// columns of B. The lanes of a workgroup lie side by side along N, so that all of them need the same A. The text is
// unrolled by hand: written as loops, a tile of this size no longer stays in registers on llvmpipe.
//
// Operands may lie in any layout: element (m, k) of A is a[a_offset + batch·a_batch + m·a_m + k·a_k], and B likewise.
// Where four neighbours along M (or N) lie side by side at multiples of 4, one load of a vec4 brings them.
// Beyond the edge a tile loads other elements and does not store what it computes from them. epilogue.wgsl stores.

alias Real = f32;  // or f16: what is stored; sums are f32

struct Params {
  M: u32, N: u32, K: u32,
  tiles_m: u32, tiles_n: u32,  // workgroups along M and N
  workgroups: u32,             // in all
  a_offset: u32, a_batch: u32, a_m: u32, a_k: u32,
  b_offset: u32, b_batch: u32, b_n: u32, b_k: u32,
  drop: f32, seed: u32, seed_high: u32, counter: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<Real>;
@group(0) @binding(2) var<storage, read> a4: array<vec4<Real>>;  // the same memory
@group(0) @binding(3) var<storage, read> b: array<Real>;
@group(0) @binding(4) var<storage, read> b4: array<vec4<Real>>;  // likewise

override A_VEC4: bool = false;
override B_VEC4: bool = false;

fn load_a(at: u32) -> vec4f {
  if (A_VEC4) { return vec4f(a4[at / 4u]); }
  return vec4f(f32(a[at]), f32(a[at + p.a_m]), f32(a[at + 2u * p.a_m]), f32(a[at + 3u * p.a_m]));
}
fn load_b(at: u32) -> vec4f {
  if (B_VEC4) { return vec4f(b4[at / 4u]); }
  return vec4f(f32(b[at]), f32(b[at + p.b_n]), f32(b[at + 2u * p.b_n]), f32(b[at + 3u * p.b_n]));
}
fn outer(x: vec4f, y: vec4f) -> mat4x4f { return mat4x4f(x.x * y, x.y * y, x.z * y, x.w * y); }

const LANES: u32 = 8;  // tunable

@compute @workgroup_size(LANES)
fn main(here: Workgroup, @builtin(local_invocation_index) lane: u32) {
  let tile = group_of(here);
  if (tile >= p.workgroups) { return; }
  let batch = tile / (p.tiles_m * p.tiles_n);
  let m = (tile / p.tiles_n) % p.tiles_m * 32u;
  let n = (tile % p.tiles_n * LANES + lane) * 16u;
  var at_a = p.a_offset + batch * p.a_batch + m * p.a_m;
  var at_b = p.b_offset + batch * p.b_batch + n * p.b_n;
  let a_rows = 4u * p.a_m;
  let b_columns = 4u * p.b_n;
  // As K, but for llvmpipe no value that it could build a kernel of its own for: it would at every change, for 20 ms.
  let K = min(p.K, arrayLength(&a));

  var c00 = mat4x4f(); var c01 = mat4x4f(); var c02 = mat4x4f(); var c03 = mat4x4f();
  var c10 = mat4x4f(); var c11 = mat4x4f(); var c12 = mat4x4f(); var c13 = mat4x4f();
  var c20 = mat4x4f(); var c21 = mat4x4f(); var c22 = mat4x4f(); var c23 = mat4x4f();
  var c30 = mat4x4f(); var c31 = mat4x4f(); var c32 = mat4x4f(); var c33 = mat4x4f();
  var c40 = mat4x4f(); var c41 = mat4x4f(); var c42 = mat4x4f(); var c43 = mat4x4f();
  var c50 = mat4x4f(); var c51 = mat4x4f(); var c52 = mat4x4f(); var c53 = mat4x4f();
  var c60 = mat4x4f(); var c61 = mat4x4f(); var c62 = mat4x4f(); var c63 = mat4x4f();
  var c70 = mat4x4f(); var c71 = mat4x4f(); var c72 = mat4x4f(); var c73 = mat4x4f();
  for (var k = 0u; k < K; k++) {
    let b0 = load_b(at_b);
    let b1 = load_b(at_b + b_columns);
    let b2 = load_b(at_b + 2u * b_columns);
    let b3 = load_b(at_b + 3u * b_columns);
    let rows0 = load_a(at_a);
    c00 += outer(rows0, b0); c01 += outer(rows0, b1); c02 += outer(rows0, b2); c03 += outer(rows0, b3);
    let rows1 = load_a(at_a + a_rows);
    c10 += outer(rows1, b0); c11 += outer(rows1, b1); c12 += outer(rows1, b2); c13 += outer(rows1, b3);
    let rows2 = load_a(at_a + 2u * a_rows);
    c20 += outer(rows2, b0); c21 += outer(rows2, b1); c22 += outer(rows2, b2); c23 += outer(rows2, b3);
    let rows3 = load_a(at_a + 3u * a_rows);
    c30 += outer(rows3, b0); c31 += outer(rows3, b1); c32 += outer(rows3, b2); c33 += outer(rows3, b3);
    let rows4 = load_a(at_a + 4u * a_rows);
    c40 += outer(rows4, b0); c41 += outer(rows4, b1); c42 += outer(rows4, b2); c43 += outer(rows4, b3);
    let rows5 = load_a(at_a + 5u * a_rows);
    c50 += outer(rows5, b0); c51 += outer(rows5, b1); c52 += outer(rows5, b2); c53 += outer(rows5, b3);
    let rows6 = load_a(at_a + 6u * a_rows);
    c60 += outer(rows6, b0); c61 += outer(rows6, b1); c62 += outer(rows6, b2); c63 += outer(rows6, b3);
    let rows7 = load_a(at_a + 7u * a_rows);
    c70 += outer(rows7, b0); c71 += outer(rows7, b1); c72 += outer(rows7, b2); c73 += outer(rows7, b3);
    at_a += p.a_k;
    at_b += p.b_k;
  }
  let bias0 = bias_of(n); let bias1 = bias_of(n + 4u); let bias2 = bias_of(n + 8u); let bias3 = bias_of(n + 12u);
  store(batch, m, n, c00, bias0); store(batch, m, n + 4u, c01, bias1); store(batch, m, n + 8u, c02, bias2); store(batch, m, n + 12u, c03, bias3);
  store(batch, m + 4u, n, c10, bias0); store(batch, m + 4u, n + 4u, c11, bias1); store(batch, m + 4u, n + 8u, c12, bias2); store(batch, m + 4u, n + 12u, c13, bias3);
  store(batch, m + 8u, n, c20, bias0); store(batch, m + 8u, n + 4u, c21, bias1); store(batch, m + 8u, n + 8u, c22, bias2); store(batch, m + 8u, n + 12u, c23, bias3);
  store(batch, m + 12u, n, c30, bias0); store(batch, m + 12u, n + 4u, c31, bias1); store(batch, m + 12u, n + 8u, c32, bias2); store(batch, m + 12u, n + 12u, c33, bias3);
  store(batch, m + 16u, n, c40, bias0); store(batch, m + 16u, n + 4u, c41, bias1); store(batch, m + 16u, n + 8u, c42, bias2); store(batch, m + 16u, n + 12u, c43, bias3);
  store(batch, m + 20u, n, c50, bias0); store(batch, m + 20u, n + 4u, c51, bias1); store(batch, m + 20u, n + 8u, c52, bias2); store(batch, m + 20u, n + 12u, c53, bias3);
  store(batch, m + 24u, n, c60, bias0); store(batch, m + 24u, n + 4u, c61, bias1); store(batch, m + 24u, n + 8u, c62, bias2); store(batch, m + 24u, n + 12u, c63, bias3);
  store(batch, m + 28u, n, c70, bias0); store(batch, m + 28u, n + 4u, c71, bias1); store(batch, m + 28u, n + 8u, c72, bias2); store(batch, m + 28u, n + 12u, c73, bias3);
}
