// C = A · B, batched: C[m, n] = Σ_k A[m, k] · B[k, n].
//
// Both operands are k-major and read as vec4s: a is (K, M/4) and b is (K, N/4), so that one load brings four rows of
// A or four columns of B. An operand that lies otherwise in memory is laid out anew by pack.wgsl; that costs M·K
// moves against 2·M·N·K operations. M and N are multiples of 4, and at least a tile: pack pads.
//
// Each invocation accumulates a tile of ROWS × 4·COLUMNS of C in registers, without workgroup memory or barriers.
// A tile that would pass the edge moves back and computes some elements a second time, to the same bits. So nothing
// in the kernel depends on the edge: a condition around the stores was measured to cost llvmpipe up to four fifths
// of its speed, because the tile then no longer stays in registers.

const ROWS: u32 = 16;    // tunable, a multiple of 4
const COLUMNS: u32 = 2;  // tunable, in vec4s
const LANES_N: u32 = 8;  // tunable
const LANES_M: u32 = 1;  // tunable

struct Params {
  M: u32,
  N: u32,
  K: u32,
  tiles_m: u32,     // workgroups along M
  tiles_n: u32,     // workgroups along N
  a_batch: u32,     // vec4s from one batch to the next, 0 where all share one
  b_batch: u32,
  workgroups: u32,  // in all
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4f>;
@group(0) @binding(2) var<storage, read> b: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> c: array<vec4f>;

@compute @workgroup_size(LANES_N, LANES_M)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) lane: vec3u,
) {
  let tile = workgroup.x + workgroup.y * groups.x;
  if (tile >= p.workgroups) { return; }
  let batch = tile / (p.tiles_m * p.tiles_n);
  let m0 = min(((tile / p.tiles_n) % p.tiles_m * LANES_M + lane.y) * ROWS, p.M - ROWS);
  let n0 = min((tile % p.tiles_n * LANES_N + lane.x) * (4u * COLUMNS), p.N - 4u * COLUMNS);

  var sums: array<array<vec4f, COLUMNS>, ROWS>;
  var at_a = batch * p.a_batch + m0 / 4u;
  var at_b = batch * p.b_batch + n0 / 4u;
  for (var k = 0u; k < p.K; k++) {
    var row: array<vec4f, COLUMNS>;
    for (var j = 0u; j < COLUMNS; j++) { row[j] = b[at_b + j]; }
    for (var i = 0u; i < ROWS / 4u; i++) {
      let column = a[at_a + i];
      for (var j = 0u; j < COLUMNS; j++) {
        sums[4u * i][j] += column.x * row[j];
        sums[4u * i + 1u][j] += column.y * row[j];
        sums[4u * i + 2u][j] += column.z * row[j];
        sums[4u * i + 3u][j] += column.w * row[j];
      }
    }
    at_a += p.M / 4u;
    at_b += p.N / 4u;
  }

  let at = ((batch * p.M + m0) * p.N + n0) / 4u;
  for (var i = 0u; i < ROWS; i++) {
    for (var j = 0u; j < COLUMNS; j++) { c[at + i * (p.N / 4u) + j] = sums[i][j]; }
  }
}
