// C = A · B, batched: C[m, n] = Σ_k A[m, k] · B[k, n], by register tiles of 32 × 4 and four k at a time.
//
// For llvmpipe, on which it reads textures (engine/run.ts). A workgroup is one subgroup of 8, whose lanes lie side by side along
// N. An invocation keeps its tile as 8 blocks of 4 × 4, each a mat4x4f whose columns are rows of C. The lanes each load an eighth
// of the rows of A and pass them on.
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

// Rows 4i … 4i + 3 of A, each a column of four k, from what the lanes have: four k of rows lane, lane + 8, …, or for each of four
// k rows 4·lane … 4·lane + 3.
fn rows(own: mat4x4f, i: u32) -> mat4x4f {
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
    subgroupShuffle(own[1], i),
    subgroupShuffle(own[2], i),
    subgroupShuffle(own[3], i),
  ));
}

@compute @workgroup_size(8)
fn main(here: Invocation) {
  var left = p.share;
  for (var tile = take(here, &left); tile < p.workgroups; tile = take(here, &left)) { tile_of(tile, here.lane); }
}

fn tile_of(tile: u32, lane: u32) {
  let batch = tile / (p.tiles_m * p.tiles_n);
  let m = (tile / p.tiles_n) % p.tiles_m * 32u;
  let n = (tile % p.tiles_n * 8u + lane) * 4u;
  // From vec4 to vec4, and from four k to the next. What is read of p in the loop, llvmpipe reads for each lane anew.
  var at_a = p.a_offset + batch * p.a_batch + select(m + 4u * lane, (m + lane) * p.a_m, A_ALONG_K);
  let next_a = select(p.a_k, 8u * p.a_m, A_ALONG_K);
  let step_a = 4u * p.a_k;
  var at_b = p.b_offset + batch * p.b_batch + n * p.b_n;
  let next_b = select(p.b_k, p.b_n, B_ALONG_K);
  let step_b = 4u * p.b_k;
  // As K, but for llvmpipe no value that it could build a kernel of its own for: it would at every change, for 20 ms.
  let K = min(p.K, 4u * arrayLength(&b));

  var c0 = mat4x4f(); var c1 = mat4x4f(); var c2 = mat4x4f(); var c3 = mat4x4f();
  var c4 = mat4x4f(); var c5 = mat4x4f(); var c6 = mat4x4f(); var c7 = mat4x4f();
  for (var k = 0u; k < K; k += 4u) {
    let own = mat4x4f(
      a_at(at_a), a_at(at_a + next_a), a_at(at_a + 2u * next_a), a_at(at_a + 3u * next_a),
    );
    var columns = mat4x4f(  // rows k … k + 3 of B
      b_at(at_b), b_at(at_b + next_b), b_at(at_b + 2u * next_b), b_at(at_b + 3u * next_b),
    );
    if (B_ALONG_K) { columns = transpose(columns); }
    c0 += columns * rows(own, 0u);
    c1 += columns * rows(own, 1u);
    c2 += columns * rows(own, 2u);
    c3 += columns * rows(own, 3u);
    c4 += columns * rows(own, 4u);
    c5 += columns * rows(own, 5u);
    c6 += columns * rows(own, 6u);
    c7 += columns * rows(own, 7u);
    at_a += step_a;
    at_b += step_b;
  }
  let bias_n = bias_of(n);
  store(batch, m, n, c0, bias_n);
  store(batch, m + 4u, n, c1, bias_n);
  store(batch, m + 8u, n, c2, bias_n);
  store(batch, m + 12u, n, c3, bias_n);
  store(batch, m + 16u, n, c4, bias_n);
  store(batch, m + 20u, n, c5, bias_n);
  store(batch, m + 24u, n, c6, bias_n);
  store(batch, m + 28u, n, c7, bias_n);
}
