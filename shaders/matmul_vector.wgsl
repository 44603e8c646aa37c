// C = A · B, batched: C[m, n] = Σ_k A[m, k] · B[k, n], one row and four columns per invocation.
//
// For products of few rows, such as those of generation, which read B once and are as fast as memory. `split` shares the
// sum over k among LANES_K invocations, for GPUs, which have more lanes than such a product has columns.
//
// Operands may lie in any layout, as in matmul_registers.wgsl. K_VEC4: both have their k side by side at multiples of
// 4, and vec4s run along k; B_VEC4: B has its n so, and vec4s run along n. epilogue.wgsl stores.

alias Real = f32;  // or f16: what is stored; sums are f32

struct Params {
  M: u32, N: u32, K: u32,
  tiles_n: u32,     // workgroups along N
  workgroups: u32,  // in all
  a_offset: u32, a_batch: u32, a_m: u32, a_k: u32,
  b_offset: u32, b_batch: u32, b_n: u32, b_k: u32,
  drop: f32, seed: u32, seed_high: u32, counter: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<Real>;
@group(0) @binding(2) var<storage, read> a4: array<vec4<Real>>;  // the same memory
@group(0) @binding(3) var<storage, read> b: array<Real>;
@group(0) @binding(4) var<storage, read> b4: array<vec4<Real>>;  // likewise

override K_VEC4: bool = false;
override B_VEC4: bool = false;

const LANES: u32 = 8;    // tunable: invocations side by side along N
const LANES_K: u32 = 1;  // tunable: invocations that share a sum, in `split`

var<workgroup> partial: array<array<vec4f, LANES>, LANES_K>;

// Every `step`-th addend from the `first` one, of row m and columns n … n + 3.
fn sum_of(batch: u32, m: u32, n: u32, first: u32, step: u32) -> vec4f {
  let at_a = p.a_offset + batch * p.a_batch + m * p.a_m;
  let at_b = p.b_offset + batch * p.b_batch + n * p.b_n;
  var sum = vec4f();
  if (K_VEC4) {
    for (var k = 4u * first; k < p.K; k += 4u * step) {
      let x = vec4f(a4[(at_a + k) / 4u]);
      sum += vec4f(
        dot(x, vec4f(b4[(at_b + k) / 4u])),
        dot(x, vec4f(b4[(at_b + p.b_n + k) / 4u])),
        dot(x, vec4f(b4[(at_b + 2u * p.b_n + k) / 4u])),
        dot(x, vec4f(b4[(at_b + 3u * p.b_n + k) / 4u])),
      );
    }
  } else if (B_VEC4) {
    for (var k = first; k < p.K; k += step) { sum += f32(a[at_a + k * p.a_k]) * vec4f(b4[(at_b + k * p.b_k) / 4u]); }
  } else {
    for (var k = first; k < p.K; k += step) {
      let at = at_b + k * p.b_k;
      let row = vec4f(f32(b[at]), f32(b[at + p.b_n]), f32(b[at + 2u * p.b_n]), f32(b[at + 3u * p.b_n]));
      sum += f32(a[at_a + k * p.a_k]) * row;
    }
  }
  return sum;
}

@compute @workgroup_size(LANES)
fn main(here: Workgroup, @builtin(local_invocation_index) index: u32) {
  let group = group_of(here);
  let n = (group % p.tiles_n * LANES + index) * 4u;
  if (group >= p.workgroups || n >= p.N) { return; }
  let row = group / p.tiles_n;
  store_row(row / p.M, row % p.M, n, sum_of(row / p.M, row % p.M, n, 0u, 1u), bias_of(n));
}

@compute @workgroup_size(LANES, LANES_K)
fn split(here: Workgroup, @builtin(local_invocation_index) index: u32) {
  let lane = vec2u(index % LANES, index / LANES);
  let group = group_of(here);
  let n = (group % p.tiles_n * LANES + lane.x) * 4u;
  let row = group / p.tiles_n;
  partial[lane.y][lane.x] = sum_of(row / p.M, row % p.M, n, lane.y, LANES_K);
  for (var half = LANES_K / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane.y < half) { partial[lane.y][lane.x] += partial[lane.y + half][lane.x]; }
  }
  if (lane.y == 0u && group < p.workgroups && n < p.N) { store_row(row / p.M, row % p.M, n, partial[0][lane.x], bias_of(n)); }
}
