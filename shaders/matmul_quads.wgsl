// C = A · B, batched: C[m, n] = Σ_k A[m, k] · B[k, n], by register tiles of 16 × 4 and four k at a time.
//
// For llvmpipe, on which it reads textures (engine/run.ts). A workgroup is one subgroup of 8, whose lanes lie side by side along
// N. An invocation keeps its tile as 4 blocks of 4 × 4, each a mat4x4f whose columns are rows of C. The lanes each load an eighth
// of the rows of A and pass them on. What a round of the loop takes has to stay in a CPU's cache of decoded instructions.
//
// Operands may lie in any layout: element (m, k) of A is a[a_offset + batch·a_batch + m·a_m + k·a_k], and B likewise. Where one of
// the two steps is 1 and all else a multiple of 4, a load brings four elements. Beyond the edge a tile loads other elements and
// does not store what it computes from them; beyond K it takes 0 for them. epilogue.wgsl stores.

alias Real = f32;  // or f16: what is stored; sums are f32

struct Params {
  M: u32, N: u32, K: u32,
  tiles_m: u32, tiles_n: u32,  // tiles along M and N
  workgroups: u32, share: u32, // tiles in all, and those that a workgroup takes at most (tickets.wgsl)
  a_offset: u32, a_batch: u32, a_m: u32, a_k: u32,
  b_offset: u32, b_batch: u32, b_n: u32, b_k: u32,
  drop: f32, seed: u32, seed_high: u32, counter: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<Real>;
@group(0) @binding(2) var<storage, read> a4: array<vec4<Real>>;  // the same memory
@group(0) @binding(3) var<storage, read> b: array<Real>;
@group(0) @binding(4) var<storage, read> b4: array<vec4<Real>>;  // likewise

// What a load brings: 2, four elements along k; 1, along M or N; 0, one.
override A_LOAD: u32 = 0u;
override B_LOAD: u32 = 0u;
override TAIL: bool = false;  // whether K is no multiple of 4

// Four elements from i on, along k or along M or N; those along k are `step` apart.
fn a_at(i: u32, step: u32) -> vec4f {
  if (A_LOAD > 0u) { return vec4f(a4[i / 4u]); }
  return vec4f(f32(a[i]), f32(a[i + step]), f32(a[i + 2u * step]), f32(a[i + 3u * step]));
}
fn b_at(i: u32, step: u32) -> vec4f {
  if (B_LOAD > 0u) { return vec4f(b4[i / 4u]); }
  return vec4f(f32(b[i]), f32(b[i + step]), f32(b[i + 2u * step]), f32(b[i + 3u * step]));
}

const BLOCKS: u32 = 4u;

// Rows 4i … 4i + 3 of A, each a column of four k, from what the lanes have: four k of rows lane and lane + 8; or rows
// 4·(lane mod 4) … of two k, the second one's in the upper half of the lanes, and then of the next two.
fn rows(own: mat2x4f, i: u32) -> mat4x4f {
  if (A_LOAD != 1u) {
    let row = own[i / 2u];
    let first = i % 2u * 4u;
    return mat4x4f(
      subgroupShuffle(row, first),
      subgroupShuffle(row, first + 1u),
      subgroupShuffle(row, first + 2u),
      subgroupShuffle(row, first + 3u),
    );
  }
  return transpose(mat4x4f(
    subgroupShuffle(own[0], i),
    subgroupShuffle(own[0], i + 4u),
    subgroupShuffle(own[1], i),
    subgroupShuffle(own[1], i + 4u),
  ));
}

@compute @workgroup_size(8)
fn main(here: Workgroup, @builtin(local_invocation_index) lane: u32) {
  var left = p.share;
  for (var tile = take(here, lane, &left); tile < p.workgroups; tile = take(here, lane, &left)) { tile_of(tile, lane); }
}

fn tile_of(tile: u32, lane: u32) {
  let batch = tile / (p.tiles_m * p.tiles_n);
  let m = (tile / p.tiles_n) % p.tiles_m * 4u * BLOCKS;
  let n = (tile % p.tiles_n * 8u + lane) * 4u;
  // From vec4 to vec4, and from four k to the next. What is read of p in the loop, llvmpipe reads for each lane anew.
  let own_a = select((m + lane) * p.a_m, m + 4u * (lane % 4u) + lane / 4u * p.a_k, A_LOAD == 1u);
  var at_a = p.a_offset + batch * p.a_batch + own_a;
  let next_a = select(8u * p.a_m, 2u * p.a_k, A_LOAD == 1u);
  let a_k = p.a_k;
  var at_b = p.b_offset + batch * p.b_batch + n * p.b_n;
  let next_b = select(p.b_n, p.b_k, B_LOAD == 1u);
  let b_k = p.b_k;
  // As K, but for llvmpipe no value that it could build a kernel of its own for: it would at every change, for 20 ms.
  let K = min(p.K, arrayLength(&b));

  var sums: array<mat4x4f, BLOCKS>;
  for (var k = 0u; k < K; k += 4u) {
    var own = mat2x4f(a_at(at_a, a_k), a_at(at_a + next_a, a_k));
    var columns = mat4x4f(  // rows k … k + 3 of B
      b_at(at_b, b_k), b_at(at_b + next_b, b_k), b_at(at_b + 2u * next_b, b_k), b_at(at_b + 3u * next_b, b_k),
    );
    if (B_LOAD != 1u) { columns = transpose(columns); }
    if (TAIL) {  // not by products with 0: what lies beyond may be no number
      let left = K - k;
      let inside = vec4u(0u, 1u, 2u, 3u) < vec4u(left);
      own[0] = select(vec4f(), own[0], select(inside, vec4<bool>(lane / 4u < left), A_LOAD == 1u));
      own[1] = select(vec4f(), own[1], select(inside, vec4<bool>(lane / 4u + 2u < left), A_LOAD == 1u));
      columns[1] = select(vec4f(), columns[1], left > 1u);
      columns[2] = select(vec4f(), columns[2], left > 2u);
      columns[3] = select(vec4f(), columns[3], left > 3u);
    }
    /* unroll */ for (var i = 0u; i < BLOCKS; i++) {
      let block = rows(own, i);
      // Row by row, and not all of a block at once: the compiler then has fewer products to put aside.
      sums[i][0] += columns * block[0];
      sums[i][1] += columns * block[1];
      sums[i][2] += columns * block[2];
      sums[i][3] += columns * block[3];
    }
    at_a += 4u * a_k;
    at_b += 4u * b_k;
  }
  let bias_n = bias_of(n);
  /* unroll */ for (var i = 0u; i < BLOCKS; i++) { store(batch, m + 4u * i, n, sums[i], bias_n); }
}
