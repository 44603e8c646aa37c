// C = A · B, batched: C[m, n] = Σ_k A[m, k] · B[k, n], by register tiles of 16 × 4 and four k at a time.
//
// For llvmpipe, on which it reads textures (engine/run.ts). A workgroup is one subgroup of 8, whose lanes lie side by side along
// N. An invocation keeps its tile as 4 blocks of 4 × 4, each a mat4x4f whose columns are rows of C. The lanes each load an eighth
// of the rows of A and pass them on. What a round of the loop takes has to stay in a CPU's cache of decoded instructions.
//
// Operands may lie in any layout in which one of the two steps is 1 and all else a multiple of 4: element (m, k) of A is at
// a_offset + batch·a_batch + m·a_m + k·a_k, and B likewise. K is a multiple of 4. Beyond the edge a tile loads other elements and
// does not store what it computes from them. epilogue.wgsl stores.

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
@group(0) @binding(1) var<storage, read> a: array<vec4<Real>>;
@group(0) @binding(2) var<storage, read> b: array<vec4<Real>>;

override A_ALONG_K: bool = false;  // whether a_k is 1, and not a_m
override B_ALONG_K: bool = false;  // likewise

fn a_at(i: u32) -> vec4f { return vec4f(a[i / 4u]); }
fn b_at(i: u32) -> vec4f { return vec4f(b[i / 4u]); }

const BLOCKS: u32 = 4u;

// Rows 4i … 4i + 3 of A, each a column of four k, from what the lanes have: four k of rows lane and lane + 8; or rows
// 4·(lane mod 4) … of two k, the second one's in the upper half of the lanes, and then of the next two.
fn rows(own: mat2x4f, i: u32) -> mat4x4f {
  if (A_ALONG_K) {
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
fn main(here: Invocation) {
  var left = p.share;
  for (var tile = take(here, &left); tile < p.workgroups; tile = take(here, &left)) { tile_of(tile, here.lane); }
}

fn tile_of(tile: u32, lane: u32) {
  let batch = tile / (p.tiles_m * p.tiles_n);
  let m = (tile / p.tiles_n) % p.tiles_m * 4u * BLOCKS;
  let n = (tile % p.tiles_n * 8u + lane) * 4u;
  // From vec4 to vec4, and from four k to the next. What is read of p in the loop, llvmpipe reads for each lane anew.
  let own_a = select(m + 4u * (lane % 4u) + lane / 4u * p.a_k, (m + lane) * p.a_m, A_ALONG_K);
  var at_a = p.a_offset + batch * p.a_batch + own_a;
  let next_a = select(2u * p.a_k, 8u * p.a_m, A_ALONG_K);
  let step_a = 4u * p.a_k;
  var at_b = p.b_offset + batch * p.b_batch + n * p.b_n;
  let next_b = select(p.b_k, p.b_n, B_ALONG_K);
  let step_b = 4u * p.b_k;
  // As K, but for llvmpipe no value that it could build a kernel of its own for: it would at every change, for 20 ms.
  let K = min(p.K, 4u * arrayLength(&b));

  var sums: array<mat4x4f, BLOCKS>;
  for (var k = 0u; k < K; k += 4u) {
    let own = mat2x4f(a_at(at_a), a_at(at_a + next_a));
    var columns = mat4x4f(  // rows k … k + 3 of B
      b_at(at_b), b_at(at_b + next_b), b_at(at_b + 2u * next_b), b_at(at_b + 3u * next_b),
    );
    if (B_ALONG_K) { columns = transpose(columns); }
    /* unroll */ for (var i = 0u; i < BLOCKS; i++) {
      let block = rows(own, i);
      // Row by row, and not all of a block at once: the compiler then has fewer products to put aside.
      sums[i][0] += columns * block[0];
      sums[i][1] += columns * block[1];
      sums[i][2] += columns * block[2];
      sums[i][3] += columns * block[3];
    }
    at_a += step_a;
    at_b += step_b;
  }
  let bias_n = bias_of(n);
  /* unroll */ for (var i = 0u; i < BLOCKS; i++) { store(batch, m + 4u * i, n, sums[i], bias_n); }
}
