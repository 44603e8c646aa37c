// The same for up to seven tensors at once: what the gradient norm and the update of adamw.wgsl do for one, where a dispatch
// costs more than a small tensor's work. A workgroup serves one tensor: the last one of the dispatch whose first workgroup is
// not beyond it. llvmpipe takes all seven ways of a branch, and of loops one round: so the norm is for all adapters, and the
// update for GPUs. Slots without a tensor hold anything.

struct Params {
  first: u32,   // of the tensors, in the table
  count: u32,   // of them
  beta1: f32,
  one_minus_beta1: f32,
  beta2: f32,
  one_minus_beta2: f32,
  eps: f32,
  lr: f32,
  decay: f32,
}

// Of each tensor: its elements, its first workgroup here, and for sum_squares its first partial sum and their number; for
// update `lanes` says whether it decays.
struct Row { size: u32, first_workgroup: u32, first_partial: u32, lanes: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> table: array<Row>;
@group(0) @binding(2) var<storage, read_write> partial: array<f32>;
@group(0) @binding(3) var<storage, read> norm_and_scale: array<f32>;  // norm, scale, rate, root
@group(0) @binding(4) var<storage, read> g0: array<vec4f>;
@group(0) @binding(5) var<storage, read> g1: array<vec4f>;
@group(0) @binding(6) var<storage, read> g2: array<vec4f>;
@group(0) @binding(7) var<storage, read> g3: array<vec4f>;
@group(0) @binding(8) var<storage, read> g4: array<vec4f>;
@group(0) @binding(9) var<storage, read> g5: array<vec4f>;
@group(0) @binding(10) var<storage, read> g6: array<vec4f>;
@group(0) @binding(11) var<storage, read_write> p0: array<vec4f>;
@group(0) @binding(12) var<storage, read_write> p1: array<vec4f>;
@group(0) @binding(13) var<storage, read_write> p2: array<vec4f>;
@group(0) @binding(14) var<storage, read_write> p3: array<vec4f>;
@group(0) @binding(15) var<storage, read_write> p4: array<vec4f>;
@group(0) @binding(16) var<storage, read_write> p5: array<vec4f>;
@group(0) @binding(17) var<storage, read_write> p6: array<vec4f>;
@group(0) @binding(18) var<storage, read_write> m0: array<vec4f>;
@group(0) @binding(19) var<storage, read_write> m1: array<vec4f>;
@group(0) @binding(20) var<storage, read_write> m2: array<vec4f>;
@group(0) @binding(21) var<storage, read_write> m3: array<vec4f>;
@group(0) @binding(22) var<storage, read_write> m4: array<vec4f>;
@group(0) @binding(23) var<storage, read_write> m5: array<vec4f>;
@group(0) @binding(24) var<storage, read_write> m6: array<vec4f>;
@group(0) @binding(25) var<storage, read_write> v0: array<vec4f>;
@group(0) @binding(26) var<storage, read_write> v1: array<vec4f>;
@group(0) @binding(27) var<storage, read_write> v2: array<vec4f>;
@group(0) @binding(28) var<storage, read_write> v3: array<vec4f>;
@group(0) @binding(29) var<storage, read_write> v4: array<vec4f>;
@group(0) @binding(30) var<storage, read_write> v5: array<vec4f>;
@group(0) @binding(31) var<storage, read_write> v6: array<vec4f>;

fn slot_of(workgroup: u32) -> u32 {
  var slot = 0u;
  for (var s = 1u; s < params.count; s++) {
    if (workgroup >= table[params.first + s].first_workgroup) { slot = s; }
  }
  return slot;
}

fn gradient(slot: u32, i: u32) -> vec4f {
  switch slot {
    case 0u: { return g0[i]; }
    case 1u: { return g1[i]; }
    case 2u: { return g2[i]; }
    case 3u: { return g3[i]; }
    case 4u: { return g4[i]; }
    case 5u: { return g5[i]; }
    default: { return g6[i]; }
  }
}

@compute @workgroup_size(64)
fn sum_squares(here: Invocation) {
  let group = group_of(here);
  let slot = slot_of(group);
  let row = table[params.first + slot];
  let id = (group - row.first_workgroup) * 64u + here.lane;
  if (id >= row.lanes) { return; }
  var sum = vec4f();
  let whole = row.size / 4u;
  for (var i = id; i < select(0u, whole, slot == 0u); i += row.lanes) { sum += g0[i] * g0[i]; }
  for (var i = id; i < select(0u, whole, slot == 1u); i += row.lanes) { sum += g1[i] * g1[i]; }
  for (var i = id; i < select(0u, whole, slot == 2u); i += row.lanes) { sum += g2[i] * g2[i]; }
  for (var i = id; i < select(0u, whole, slot == 3u); i += row.lanes) { sum += g3[i] * g3[i]; }
  for (var i = id; i < select(0u, whole, slot == 4u); i += row.lanes) { sum += g4[i] * g4[i]; }
  for (var i = id; i < select(0u, whole, slot == 5u); i += row.lanes) { sum += g5[i] * g5[i]; }
  for (var i = id; i < select(0u, whole, slot == 6u); i += row.lanes) { sum += g6[i] * g6[i]; }
  if (id == whole % row.lanes && row.size % 4u != 0u) {  // what lies beyond the last element is not zero
    let g = select(vec4f(), gradient(slot, whole), vec4u(0u, 1u, 2u, 3u) < vec4u(row.size % 4u));
    sum += g * g;
  }
  partial[row.first_partial + id] = (sum.x + sum.y) + (sum.z + sum.w);
}

struct Moved { p: vec4f, m: vec4f, v: vec4f }

fn moved(p: vec4f, g: vec4f, m: vec4f, v: vec4f, shrink: f32) -> Moved {
  let scaled = norm_and_scale[1] * g;
  let mean = params.beta1 * m + params.one_minus_beta1 * scaled;
  let square = params.beta2 * v + params.one_minus_beta2 * scaled * scaled;
  let step = norm_and_scale[2] * mean / (sqrt(square) / norm_and_scale[3] + params.eps);
  return Moved(p * (1.0 - shrink) - step, mean, square);
}

@compute @workgroup_size(64)
fn update(here: Invocation) {
  let group = group_of(here);
  let slot = slot_of(group);
  let row = table[params.first + slot];
  let i = (group - row.first_workgroup) * 64u + here.lane;
  if (i * 4u >= row.size || norm_and_scale[1] == 0.0) { return; }
  let shrink = select(0.0, params.lr * params.decay, row.lanes != 0u);
  switch slot {
    case 0u: { let to = moved(p0[i], g0[i], m0[i], v0[i], shrink); p0[i] = to.p; m0[i] = to.m; v0[i] = to.v; }
    case 1u: { let to = moved(p1[i], g1[i], m1[i], v1[i], shrink); p1[i] = to.p; m1[i] = to.m; v1[i] = to.v; }
    case 2u: { let to = moved(p2[i], g2[i], m2[i], v2[i], shrink); p2[i] = to.p; m2[i] = to.m; v2[i] = to.v; }
    case 3u: { let to = moved(p3[i], g3[i], m3[i], v3[i], shrink); p3[i] = to.p; m3[i] = to.m; v3[i] = to.v; }
    case 4u: { let to = moved(p4[i], g4[i], m4[i], v4[i], shrink); p4[i] = to.p; m4[i] = to.m; v4[i] = to.v; }
    case 5u: { let to = moved(p5[i], g5[i], m5[i], v5[i], shrink); p5[i] = to.p; m5[i] = to.m; v5[i] = to.v; }
    default: { let to = moved(p6[i], g6[i], m6[i], v6[i], shrink); p6[i] = to.p; m6[i] = to.m; v6[i] = to.v; }
  }
}
