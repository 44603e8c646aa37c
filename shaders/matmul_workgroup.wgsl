// C = A · B, batched: C[m, n] = Σ_k A[m, k] · B[k, n], by tiles in workgroup memory.
//
// For discrete GPUs. A workgroup of 16 × 16 invocations computes 64·BLOCKS_M × 64·BLOCKS_N of C: it stages that many rows
// of A and columns of B, DEPTH of k at a time, and each invocation adds to its BLOCKS_M × BLOCKS_N blocks of 4 × 4 the outer
// products of what it reads from there. The blocks of an invocation lie 64 apart, so that its neighbours read and
// store next to it. A split sum over k is a batch whose operands begin further on: the caller adds the parts.
//
// Operands may lie in any layout: element (m, k) of A is a[a_offset + batch·a_batch + m·a_m + k·a_k], and B likewise.
// A_LOAD and B_LOAD: 0: single elements, 1: vec4s along M (or N), 2: vec4s along K. epilogue.wgsl stores.

alias Real = f32;  // or f16: what is stored; sums are f32

struct Params {
  M: u32, N: u32, K: u32,
  K_last: u32,                 // K of the last batch, where batches are parts of a sum
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

override A_LOAD: u32 = 0;
override B_LOAD: u32 = 0;

const BLOCKS_M: u32 = 2;  // tunable: 1 or 2
const BLOCKS_N: u32 = 2;  // tunable: 1 or 2
const DEPTH: u32 = 16;    // tunable: 8 or 16

// k-major: DEPTH rows of 16·BLOCKS vec4s.
var<workgroup> rows: array<vec4f, DEPTH * 16u * BLOCKS_M>;
var<workgroup> columns: array<vec4f, DEPTH * 16u * BLOCKS_N>;

fn outer(x: vec4f, y: vec4f) -> mat4x4f { return mat4x4f(x.x * y, x.y * y, x.z * y, x.w * y); }

fn stage_a(lane: u32, at: u32, m0: u32, k0: u32, K: u32) {
  for (var i = lane; i < DEPTH * 16u * BLOCKS_M; i += 256u) {
    if (A_LOAD == 2u) {
      let m = i / (DEPTH / 4u);
      let k = i % (DEPTH / 4u) * 4u;
      var v = vec4f();
      if (m0 + m < p.M && k0 + k < K) { v = vec4f(a4[(at + (m0 + m) * p.a_m + k0 + k) / 4u]); }
      for (var j = 0u; j < 4u; j++) { rows[(k + j) * 16u * BLOCKS_M + m / 4u][m % 4u] = v[j]; }
    } else {
      let k = i / (16u * BLOCKS_M);
      let m = i % (16u * BLOCKS_M) * 4u;
      let from_ = at + (m0 + m) * p.a_m + (k0 + k) * p.a_k;
      var v = vec4f();
      if (k0 + k < K) {
        if (A_LOAD == 1u) {
          v = vec4f(a4[from_ / 4u]);
        } else {
          v = vec4f(f32(a[from_]), f32(a[from_ + p.a_m]), f32(a[from_ + 2u * p.a_m]), f32(a[from_ + 3u * p.a_m]));
        }
      }
      rows[i] = v;
    }
  }
}

fn stage_b(lane: u32, at: u32, n0: u32, k0: u32, K: u32) {
  for (var i = lane; i < DEPTH * 16u * BLOCKS_N; i += 256u) {
    if (B_LOAD == 2u) {
      let n = i / (DEPTH / 4u);
      let k = i % (DEPTH / 4u) * 4u;
      var v = vec4f();
      if (n0 + n < p.N && k0 + k < K) { v = vec4f(b4[(at + (n0 + n) * p.b_n + k0 + k) / 4u]); }
      for (var j = 0u; j < 4u; j++) { columns[(k + j) * 16u * BLOCKS_N + n / 4u][n % 4u] = v[j]; }
    } else {
      let k = i / (16u * BLOCKS_N);
      let n = i % (16u * BLOCKS_N) * 4u;
      let from_ = at + (n0 + n) * p.b_n + (k0 + k) * p.b_k;
      var v = vec4f();
      if (k0 + k < K) {
        if (B_LOAD == 1u) {
          v = vec4f(b4[from_ / 4u]);
        } else {
          v = vec4f(f32(b[from_]), f32(b[from_ + p.b_n]), f32(b[from_ + 2u * p.b_n]), f32(b[from_ + 3u * p.b_n]));
        }
      }
      columns[i] = v;
    }
  }
}

@compute @workgroup_size(16, 16)
fn main(here: Workgroup, @builtin(local_invocation_index) index: u32) {
  let lane = vec2u(index % 16u, index / 16u);
  let tile = group_of(here);
  if (tile >= p.workgroups) { return; }
  let batch = tile / (p.tiles_m * p.tiles_n);
  let m0 = (tile / p.tiles_n) % p.tiles_m * (64u * BLOCKS_M);
  let n0 = tile % p.tiles_n * (64u * BLOCKS_N);
  let at_a = p.a_offset + batch * p.a_batch;
  let at_b = p.b_offset + batch * p.b_batch;
  let last = (tile + p.tiles_m * p.tiles_n) >= p.workgroups;
  let K = select(p.K, p.K_last, last);

  var c00 = mat4x4f();
  var c01 = mat4x4f();
  var c10 = mat4x4f();
  var c11 = mat4x4f();
  for (var k0 = 0u; k0 < K; k0 += DEPTH) {
    stage_a(index, at_a, m0, k0, K);
    stage_b(index, at_b, n0, k0, K);
    workgroupBarrier();
    for (var k = 0u; k < DEPTH; k++) {
      let a0 = rows[k * 16u * BLOCKS_M + lane.y];
      let b0 = columns[k * 16u * BLOCKS_N + lane.x];
      c00 += outer(a0, b0);
      if (BLOCKS_N > 1u) {
        c01 += outer(a0, columns[k * 16u * BLOCKS_N + 16u + lane.x]);
      }
      if (BLOCKS_M > 1u) {
        let a1 = rows[k * 16u * BLOCKS_M + 16u + lane.y];
        c10 += outer(a1, b0);
        if (BLOCKS_N > 1u) { c11 += outer(a1, columns[k * 16u * BLOCKS_N + 16u + lane.x]); }
      }
    }
    workgroupBarrier();
  }
  let m = m0 + 4u * lane.y;
  let n = n0 + 4u * lane.x;
  let bias0 = bias_of(n);
  let bias1 = bias_of(n + 64u);
  store(batch, m, n, c00, bias0);
  if (BLOCKS_N > 1u) { store(batch, m, n + 64u, c01, bias1); }
  if (BLOCKS_M > 1u) { store(batch, m + 64u, n, c10, bias0); }
  if (BLOCKS_M > 1u && BLOCKS_N > 1u) { store(batch, m + 64u, n + 64u, c11, bias1); }
}
