// The same for up to seven tensors at once: what the gradient norm and the update of adamw.wgsl do for one, where a dispatch
// costs more than a small tensor's work. A workgroup serves one tensor: the last one of the dispatch whose first workgroup is
// not beyond it. The moments of all lie in one array, one after another. What goes over elements is a loop for each tensor,
// which takes no round for all others, and no switch: llvmpipe takes all ways of that. Slots without a tensor hold anything.

struct Params {
  // Of each tensor: its elements, its first workgroup here, and for sum_squares its first partial sum and their number; for
  // update where its moments begin, in vec4s, and whether it decays.
  rows: array<vec4u, 7>,
  count: u32,   // of tensors
  beta1: f32,
  one_minus_beta1: f32,
  beta2: f32,
  one_minus_beta2: f32,
  eps: f32,
  shrink: f32,  // lr · decay
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> partial: array<f32>;
@group(0) @binding(2) var<storage, read> norm_and_scale: array<f32>;  // norm, scale, rate, root
@group(0) @binding(3) var<storage, read_write> m: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> v: array<vec4f>;
@group(0) @binding(5) var<storage, read> m_copy: array<vec4f>;        // with COPIED, m as it is before the step
@group(0) @binding(6) var<storage, read> v_copy: array<vec4f>;        // likewise
@group(0) @binding(7) var<storage, read> g0: array<vec4f>;
@group(0) @binding(8) var<storage, read> g1: array<vec4f>;
@group(0) @binding(9) var<storage, read> g2: array<vec4f>;
@group(0) @binding(10) var<storage, read> g3: array<vec4f>;
@group(0) @binding(11) var<storage, read> g4: array<vec4f>;
@group(0) @binding(12) var<storage, read> g5: array<vec4f>;
@group(0) @binding(13) var<storage, read> g6: array<vec4f>;
@group(0) @binding(14) var<storage, read_write> p0: array<vec4f>;
@group(0) @binding(15) var<storage, read_write> p1: array<vec4f>;
@group(0) @binding(16) var<storage, read_write> p2: array<vec4f>;
@group(0) @binding(17) var<storage, read_write> p3: array<vec4f>;
@group(0) @binding(18) var<storage, read_write> p4: array<vec4f>;
@group(0) @binding(19) var<storage, read_write> p5: array<vec4f>;
@group(0) @binding(20) var<storage, read_write> p6: array<vec4f>;
@group(0) @binding(21) var<storage, read> p0_copy: array<vec4f>;  // with COPIED, p as it is before the step
@group(0) @binding(22) var<storage, read> p1_copy: array<vec4f>;
@group(0) @binding(23) var<storage, read> p2_copy: array<vec4f>;
@group(0) @binding(24) var<storage, read> p3_copy: array<vec4f>;
@group(0) @binding(25) var<storage, read> p4_copy: array<vec4f>;
@group(0) @binding(26) var<storage, read> p5_copy: array<vec4f>;
@group(0) @binding(27) var<storage, read> p6_copy: array<vec4f>;

override COPIED: bool = false;  // whether what is written is read elsewhere: in textures, for llvmpipe

const LANES: u32 = 64;    // tunable: of a workgroup of update
const STRETCH: u32 = 64;  // tunable: vec4s that it goes over

fn slot_of(workgroup: u32) -> u32 {
  var slot = 0u;
  for (var s = 1u; s < params.count; s++) {
    if (workgroup >= params.rows[s].y) { slot = s; }
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
fn sum_squares(here: Workgroup, @builtin(local_invocation_index) lane: u32) {
  let group = group_of(here);
  let slot = slot_of(group);
  let row = params.rows[slot];
  let size = row.x;
  let lanes = row.w;
  let id = (group - row.y) * 64u + lane;
  if (id >= lanes) { return; }
  var sum = vec4f();
  let whole = size / 4u;
  for (var i = id; i < select(0u, whole, slot == 0u); i += lanes) { sum += g0[i] * g0[i]; }
  for (var i = id; i < select(0u, whole, slot == 1u); i += lanes) { sum += g1[i] * g1[i]; }
  for (var i = id; i < select(0u, whole, slot == 2u); i += lanes) { sum += g2[i] * g2[i]; }
  for (var i = id; i < select(0u, whole, slot == 3u); i += lanes) { sum += g3[i] * g3[i]; }
  for (var i = id; i < select(0u, whole, slot == 4u); i += lanes) { sum += g4[i] * g4[i]; }
  for (var i = id; i < select(0u, whole, slot == 5u); i += lanes) { sum += g5[i] * g5[i]; }
  for (var i = id; i < select(0u, whole, slot == 6u); i += lanes) { sum += g6[i] * g6[i]; }
  if (id == whole % lanes && size % 4u != 0u) {  // what lies beyond the last element is not zero
    let g = select(vec4f(), gradient(slot, whole), vec4u(0u, 1u, 2u, 3u) < vec4u(size % 4u));
    sum += g * g;
  }
  partial[row.z + id] = (sum.x + sum.y) + (sum.z + sum.w);
}

// What is the same for all elements of a tensor: read once, as llvmpipe reads it anew for each lane wherever it is named.
struct Step {
  scale: f32, rate: f32, root: f32, keep: f32,
  beta1: f32, one_minus_beta1: f32, beta2: f32, one_minus_beta2: f32, eps: f32,
}

// Moves the moments at a place, and returns what becomes of the weights there.
fn moved(by: Step, at: u32, weight: vec4f, g: vec4f) -> vec4f {
  var mean: vec4f; var square: vec4f;
  if (COPIED) { mean = m_copy[at]; square = v_copy[at]; } else { mean = m[at]; square = v[at]; }
  let scaled = by.scale * g;
  mean = by.beta1 * mean + by.one_minus_beta1 * scaled;
  square = by.beta2 * square + by.one_minus_beta2 * scaled * scaled;
  m[at] = mean;
  v[at] = square;
  return by.keep * weight - by.rate * mean / (sqrt(square) / by.root + by.eps);
}

@compute @workgroup_size(LANES)
fn update(here: Workgroup, @builtin(local_invocation_index) lane: u32) {
  let group = group_of(here);
  let slot = slot_of(group);
  let row = params.rows[slot];
  let by = Step(
    norm_and_scale[1], norm_and_scale[2], norm_and_scale[3], 1.0 - select(0.0, params.shrink, row.w != 0u),
    params.beta1, params.one_minus_beta1, params.beta2, params.one_minus_beta2, params.eps,
  );
  let first = (group - row.y) * STRETCH;
  let end = select(min(first + STRETCH, (row.x + 3u) / 4u), 0u, by.scale == 0.0);
  let start = first + lane;
  let own = row.z;
  for (var i = start; i < select(0u, end, slot == 0u); i += LANES) {
    var before: vec4f;
    if (COPIED) { before = p0_copy[i]; } else { before = p0[i]; }
    p0[i] = moved(by, own + i, before, g0[i]);
  }
  for (var i = start; i < select(0u, end, slot == 1u); i += LANES) {
    var before: vec4f;
    if (COPIED) { before = p1_copy[i]; } else { before = p1[i]; }
    p1[i] = moved(by, own + i, before, g1[i]);
  }
  for (var i = start; i < select(0u, end, slot == 2u); i += LANES) {
    var before: vec4f;
    if (COPIED) { before = p2_copy[i]; } else { before = p2[i]; }
    p2[i] = moved(by, own + i, before, g2[i]);
  }
  for (var i = start; i < select(0u, end, slot == 3u); i += LANES) {
    var before: vec4f;
    if (COPIED) { before = p3_copy[i]; } else { before = p3[i]; }
    p3[i] = moved(by, own + i, before, g3[i]);
  }
  for (var i = start; i < select(0u, end, slot == 4u); i += LANES) {
    var before: vec4f;
    if (COPIED) { before = p4_copy[i]; } else { before = p4[i]; }
    p4[i] = moved(by, own + i, before, g4[i]);
  }
  for (var i = start; i < select(0u, end, slot == 5u); i += LANES) {
    var before: vec4f;
    if (COPIED) { before = p5_copy[i]; } else { before = p5[i]; }
    p5[i] = moved(by, own + i, before, g5[i]);
  }
  for (var i = start; i < select(0u, end, slot == 6u); i += LANES) {
    var before: vec4f;
    if (COPIED) { before = p6_copy[i]; } else { before = p6[i]; }
    p6[i] = moved(by, own + i, before, g6[i]);
  }
}
