// Scaled dot-product attention with an online softmax (FlashAttention, Dao et al. 2022), keys and values in workgroup memory.
//
// For GPUs. The formulas and strides are those of attention_rows.wgsl, with vec4s for elements: D is a multiple of 4. An
// invocation holds one query (in backward_kv: one key); a workgroup holds LANES of one head, and stages KEYS rows of the
// other side at a time, which all of them read at the same address. What no query of a workgroup sees is skipped.

const VECTORS: u32 = 16;  // tunable: D / 4
const LANES: u32 = 64;    // tunable
const KEYS: u32 = 16;     // rows that are staged at a time

var<workgroup> staged_a: array<vec4f, KEYS * VECTORS>;  // K, or in backward_kv Q
var<workgroup> staged_b: array<vec4f, KEYS * VECTORS>;  // V, or dO
var<workgroup> staged_rows: array<vec2f, KEYS>;         // in backward_kv (lse, D) of each query

fn stage_keys(lane: u32, at_k: u32, at_v: u32, first: u32) {
  for (var e = lane; e < KEYS * VECTORS; e += LANES) {
    let at = min(first + e / VECTORS, p.Tk - 1u) * (p.kv_token / 4u) + e % VECTORS;
    staged_a[e] = vec4f(k[at_k + at]);
    staged_b[e] = vec4f(v[at_v + at]);
  }
}

@compute @workgroup_size(LANES)
fn forward(here: Workgroup, @builtin(local_invocation_index) lane: u32) {
  let group = group_of(here);
  if (group >= p.workgroups) { return; }
  let bh = group / p.tiles;
  let first = group % p.tiles * LANES;
  let i = min(first + lane, p.Tq - 1u);  // those beyond the last compute the last, and store nothing
  let at_q = (q_of_head(bh) + i * p.q_token) / 4u;
  let at_k = (p.k_offset + kv_of_head(bh)) / 4u;
  let at_v = (p.v_offset + kv_of_head(bh)) / 4u;

  var query: array<vec4f, VECTORS>;
  var sums: array<vec4f, VECTORS>;
  /* unroll */ for (var d = 0u; d < VECTORS; d++) {
    query[d] = p.scale * vec4f(q[at_q + d]);
    sums[d] = vec4f();
  }
  var largest = LOWEST;
  var total = 0.0;
  let limit = keys_of(i);
  let keys = keys_of(min(first + LANES, p.Tq) - 1u);
  for (var j0 = 0u; j0 < keys; j0 += KEYS) {
    workgroupBarrier();
    stage_keys(lane, at_k, at_v, j0);
    workgroupBarrier();
    var scores: array<f32, KEYS>;
    var highest = largest;
    for (var j = 0u; j < KEYS; j++) {
      var score = 0.0;
      /* unroll */ for (var d = 0u; d < VECTORS; d++) { score += dot(query[d], staged_a[j * VECTORS + d]); }
      scores[j] = select(LOWEST, score, j0 + j < limit);
      highest = max(highest, scores[j]);
    }
    let shrink = exp(largest - highest);
    largest = highest;
    total *= shrink;
    /* unroll */ for (var d = 0u; d < VECTORS; d++) { sums[d] *= shrink; }
    for (var j = 0u; j < KEYS; j++) {
      let weight = exp(scores[j] - largest);
      total += weight;
      let kept = weight * factor((bh * p.Tq + i) * p.Tk + j0 + j);
      /* unroll */ for (var d = 0u; d < VECTORS; d++) { sums[d] += kept * staged_b[j * VECTORS + d]; }
    }
  }
  if (first + lane < p.Tq) {
    lse[bh * p.Tq + i] = largest + log(total);
    let at_o = (o_of_head(bh) + i * p.o_token) / 4u;
    /* unroll */ for (var d = 0u; d < VECTORS; d++) { o[at_o + d] = vec4<Real>(sums[d] / total); }
  }
}

// Also leaves D for backward_kv.
@compute @workgroup_size(LANES)
fn backward_q(here: Workgroup, @builtin(local_invocation_index) lane: u32) {
  let group = group_of(here);
  if (group >= p.workgroups) { return; }
  let bh = group / p.tiles;
  let first = group % p.tiles * LANES;
  let i = min(first + lane, p.Tq - 1u);
  let at_q = (q_of_head(bh) + i * p.q_token) / 4u;
  let at_o = (o_of_head(bh) + i * p.o_token) / 4u;
  let at_k = (p.k_offset + kv_of_head(bh)) / 4u;
  let at_v = (p.v_offset + kv_of_head(bh)) / 4u;

  var query: array<vec4f, VECTORS>;
  var d_o: array<vec4f, VECTORS>;
  var sums: array<vec4f, VECTORS>;
  var d_sum = 0.0;
  /* unroll */ for (var d = 0u; d < VECTORS; d++) {
    query[d] = p.scale * vec4f(q[at_q + d]);
    d_o[d] = vec4f(d_out[at_o + d]);
    d_sum += dot(d_o[d], vec4f(out[at_o + d]));
    sums[d] = vec4f();
  }
  let normalizer = log_sum_exp_of(bh * p.Tq + i);
  let limit = keys_of(i);
  let keys = keys_of(min(first + LANES, p.Tq) - 1u);
  for (var j0 = 0u; j0 < keys; j0 += KEYS) {
    workgroupBarrier();
    stage_keys(lane, at_k, at_v, j0);
    workgroupBarrier();
    for (var j = 0u; j < KEYS; j++) {
      var score = 0.0;
      var d_p = 0.0;
      /* unroll */ for (var d = 0u; d < VECTORS; d++) {
        score += dot(query[d], staged_a[j * VECTORS + d]);
        d_p += dot(d_o[d], staged_b[j * VECTORS + d]);
      }
      let weight = select(0.0, exp(score - normalizer), j0 + j < limit);
      let d_score = weight * (d_p * factor((bh * p.Tq + i) * p.Tk + j0 + j) - d_sum);
      /* unroll */ for (var d = 0u; d < VECTORS; d++) { sums[d] += d_score * staged_a[j * VECTORS + d]; }
    }
  }
  if (first + lane < p.Tq) {
    d_sums[bh * p.Tq + i] = d_sum;
    /* unroll */ for (var d = 0u; d < VECTORS; d++) { d_q[at_q + d] = vec4<Real>(p.scale * sums[d]); }
  }
}

@compute @workgroup_size(LANES)
fn backward_kv(here: Workgroup, @builtin(local_invocation_index) lane: u32) {
  let group = group_of(here);
  if (group >= p.workgroups) { return; }
  let bh = group / p.tiles;
  let first = group % p.tiles * LANES;
  let j = min(first + lane, p.Tk - 1u);
  let at_kv = kv_of_head(bh) + j * p.kv_token;
  let at_q = q_of_head(bh) / 4u;
  let at_o = o_of_head(bh) / 4u;

  var key: array<vec4f, VECTORS>;
  var value: array<vec4f, VECTORS>;
  var d_k: array<vec4f, VECTORS>;
  var d_v: array<vec4f, VECTORS>;
  /* unroll */ for (var d = 0u; d < VECTORS; d++) {
    key[d] = p.scale * vec4f(k[(p.k_offset + at_kv) / 4u + d]);
    value[d] = vec4f(v[(p.v_offset + at_kv) / 4u + d]);
    d_k[d] = vec4f();
    d_v[d] = vec4f();
  }
  // From the first query that sees the first key of this workgroup.
  var i0 = 0u;
  if (CAUSAL) { i0 = max(first, p.Tk - p.Tq) - (p.Tk - p.Tq); }
  for (; i0 < p.Tq; i0 += KEYS) {
    workgroupBarrier();
    for (var e = lane; e < KEYS * VECTORS; e += LANES) {
      let i = min(i0 + e / VECTORS, p.Tq - 1u);
      staged_a[e] = vec4f(q[at_q + i * (p.q_token / 4u) + e % VECTORS]);
      staged_b[e] = vec4f(d_out[at_o + i * (p.o_token / 4u) + e % VECTORS]);
      if (e % VECTORS == 0u) {
        staged_rows[e / VECTORS] = vec2f(log_sum_exp_of(bh * p.Tq + i), d_sum_of(bh * p.Tq + i));
      }
    }
    workgroupBarrier();
    for (var r = 0u; r < KEYS; r++) {
      let i = i0 + r;
      var score = 0.0;
      var d_p = 0.0;
      /* unroll */ for (var d = 0u; d < VECTORS; d++) {
        score += dot(staged_a[r * VECTORS + d], key[d]);
        d_p += dot(staged_b[r * VECTORS + d], value[d]);
      }
      let weight = select(0.0, exp(score - staged_rows[r].x), i < p.Tq && j < keys_of(i));
      let mask = factor((bh * p.Tq + i) * p.Tk + j);
      let d_score = weight * (d_p * mask - staged_rows[r].y);
      /* unroll */ for (var d = 0u; d < VECTORS; d++) {
        d_v[d] += (weight * mask) * staged_b[r * VECTORS + d];
        d_k[d] += d_score * staged_a[r * VECTORS + d];
      }
    }
  }
  if (first + lane < p.Tk) {
    /* unroll */ for (var d = 0u; d < VECTORS; d++) {
      d_kv[(p.dk_offset + at_kv) / 4u + d] = vec4<Real>(p.scale * d_k[d]);
      d_kv[(p.dv_offset + at_kv) / 4u + d] = vec4<Real>(d_v[d]);
    }
  }
}
