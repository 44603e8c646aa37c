// Scaled dot-product attention with an online softmax (FlashAttention, Dao et al. 2022; the running maximum and sum
// are Milakov & Gimelshein 2018). The (Tq, Tk) scores never exist in memory.
//
//   s[i, j] = scale · q[i] · k[j]   for the keys j that query i may see
//   P = softmax(s), Z = P with dropout, o[i] = Σ_j Z[i, j] v[j];  lse[i] = log Σ_j exp s[i, j]
//
// Backward, with D[i] = do[i] · o[i], P[i, j] = exp(s[i, j] − lse[i]) and dP[i, j] = mask[i, j] · do[i] · v[j]:
//   dS = P (dP − D);   dq[i] = scale Σ_j dS[i, j] k[j];   dk[j] = scale Σ_i dS[i, j] q[i];   dv[j] = Σ_i Z[i, j] do[i]
//
// forward and backward_q: one invocation per query. backward_kv: one per key. Invocations side by side read the
// other operand's rows at the same address. Sums run in order of the index: no atomics.
//
// Element (b, h, t, d) of q is q[q_offset + b·q_batch + h·q_head + t·q_token + d], and so on: the operands may lie
// side by side in one (B, T, 3C) tensor, or be (B, H, T, D).

alias Real = f32;  // or f16: what is stored; scores and sums are f32

const HEAD_DIM: u32 = 64;  // tunable: D
const VECTORS: u32 = 16;   // tunable: D / 4, rounded up

struct Params {
  heads: u32,      // H
  Tq: u32,
  Tk: u32,
  rows: u32,       // B · H · Tq, or B · H · Tk for backward_kv
  q_batch: u32, q_head: u32, q_token: u32, q_offset: u32,
  kv_batch: u32, kv_head: u32, kv_token: u32, k_offset: u32, v_offset: u32,
  o_batch: u32, o_head: u32, o_token: u32,
  dk_offset: u32, dv_offset: u32,  // gradients are laid out as q, k and v, but for where dk and dv begin
  scale: f32,
  drop: f32,       // probability of dropping, 0 for none
  seed: u32, seed_high: u32, counter: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> q: array<Real>;
@group(0) @binding(2) var<storage, read> k: array<Real>;
@group(0) @binding(3) var<storage, read> v: array<Real>;
@group(0) @binding(4) var<storage, read_write> o: array<Real>;
@group(0) @binding(5) var<storage, read_write> lse: array<f32>;       // (B, H, Tq)
@group(0) @binding(6) var<storage, read> out: array<Real>;             // o, once it is computed
@group(0) @binding(7) var<storage, read> log_sum_exp: array<f32>;     // lse, likewise
@group(0) @binding(8) var<storage, read> d_out: array<Real>;           // do, laid out as o
@group(0) @binding(9) var<storage, read_write> d_sums: array<f32>;    // D, (B, H, Tq)
@group(0) @binding(10) var<storage, read> d_sums_in: array<f32>;      // D, once it is computed
@group(0) @binding(11) var<storage, read_write> d_q: array<Real>;
@group(0) @binding(12) var<storage, read_write> d_kv: array<Real>;

override CAUSAL: bool = true;
override DROPOUT: bool = false;

// 0, or 1 / (1 − drop), for the probability of query i and key j of batch and head bh: the same in all passes.
fn dropout_factor(bh: u32, i: u32, j: u32) -> f32 {
  if (!DROPOUT) { return 1.0; }
  let index = (bh * p.Tq + i) * p.Tk + j;
  let draw = f32(pcg4d(vec4u(p.seed, p.seed_high, p.counter, index)).x >> 8u) * 0x1p-24;
  return select(0.0, 1.0 / (1.0 - p.drop), draw >= p.drop);
}

// The elements d … d + 3 of a row that begins at `at`; those beyond D are 0.
fn load_q(at: u32, d: u32) -> vec4f {
  let i = at + d;
  return keep_inside(vec4f(f32(q[i]), f32(q[i + 1u]), f32(q[i + 2u]), f32(q[i + 3u])), d);
}
fn load_k(at: u32, d: u32) -> vec4f {
  let i = at + d;
  return keep_inside(vec4f(f32(k[i]), f32(k[i + 1u]), f32(k[i + 2u]), f32(k[i + 3u])), d);
}
fn load_v(at: u32, d: u32) -> vec4f {
  let i = at + d;
  return keep_inside(vec4f(f32(v[i]), f32(v[i + 1u]), f32(v[i + 2u]), f32(v[i + 3u])), d);
}
fn load_d_out(at: u32, d: u32) -> vec4f {
  let i = at + d;
  return keep_inside(vec4f(f32(d_out[i]), f32(d_out[i + 1u]), f32(d_out[i + 2u]), f32(d_out[i + 3u])), d);
}
fn keep_inside(row: vec4f, d: u32) -> vec4f {
  return select(vec4f(), row, vec4u(d, d + 1u, d + 2u, d + 3u) < vec4u(HEAD_DIM));
}

// How many keys query i sees: with as many queries as keys, those up to its own place.
fn keys_of(i: u32) -> u32 {
  return select(p.Tk, i + 1u + p.Tk - p.Tq, CAUSAL);
}

@compute @workgroup_size(32)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = id.x + id.y * (groups.x * 32u);
  if (row >= p.rows) { return; }
  let i = row % p.Tq;
  let bh = row / p.Tq;
  let batch = bh / p.heads;
  let head = bh % p.heads;
  let at_q = p.q_offset + batch * p.q_batch + head * p.q_head + i * p.q_token;
  let at_kv = batch * p.kv_batch + head * p.kv_head;

  var query: array<vec4f, VECTORS>;
  var sums: array<vec4f, VECTORS>;
  for (var d = 0u; d < VECTORS; d++) {
    query[d] = p.scale * load_q(at_q, 4u * d);
    sums[d] = vec4f();
  }
  var largest = -3.0e38;
  var total = 0.0;
  let keys = keys_of(i);
  for (var j = 0u; j < keys; j++) {
    let at_k = p.k_offset + at_kv + j * p.kv_token;
    let at_v = p.v_offset + at_kv + j * p.kv_token;
    var score = 0.0;
    for (var d = 0u; d < VECTORS; d++) { score += dot(query[d], load_k(at_k, 4u * d)); }
    let before = largest;
    largest = max(largest, score);
    let shrink = exp(before - largest);
    let weight = exp(score - largest);
    total = total * shrink + weight;
    let kept = weight * dropout_factor(bh, i, j);
    for (var d = 0u; d < VECTORS; d++) { sums[d] = sums[d] * shrink + kept * load_v(at_v, 4u * d); }
  }
  lse[row] = largest + log(total);
  let at_o = batch * p.o_batch + head * p.o_head + i * p.o_token;
  for (var d = 0u; d < HEAD_DIM; d++) { o[at_o + d] = Real(sums[d / 4u][d % 4u] / total); }
}

// Also leaves D for backward_kv.
@compute @workgroup_size(32)
fn backward_q(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = id.x + id.y * (groups.x * 32u);
  if (row >= p.rows) { return; }
  let i = row % p.Tq;
  let bh = row / p.Tq;
  let batch = bh / p.heads;
  let head = bh % p.heads;
  let at_q = p.q_offset + batch * p.q_batch + head * p.q_head + i * p.q_token;
  let at_kv = batch * p.kv_batch + head * p.kv_head;
  let at_o = batch * p.o_batch + head * p.o_head + i * p.o_token;

  var query: array<vec4f, VECTORS>;
  var d_o: array<vec4f, VECTORS>;
  var sums: array<vec4f, VECTORS>;
  for (var d = 0u; d < VECTORS; d++) {
    query[d] = p.scale * load_q(at_q, 4u * d);
    d_o[d] = load_d_out(at_o, 4u * d);
    sums[d] = vec4f();
  }
  var d_sum = 0.0;
  for (var d = 0u; d < HEAD_DIM; d++) { d_sum += f32(d_out[at_o + d]) * f32(out[at_o + d]); }
  d_sums[row] = d_sum;

  let normalizer = log_sum_exp[row];
  let keys = keys_of(i);
  for (var j = 0u; j < keys; j++) {
    let at_k = p.k_offset + at_kv + j * p.kv_token;
    let at_v = p.v_offset + at_kv + j * p.kv_token;
    var score = 0.0;
    var d_p = 0.0;
    var key: array<vec4f, VECTORS>;
    for (var d = 0u; d < VECTORS; d++) {
      key[d] = load_k(at_k, 4u * d);
      score += dot(query[d], key[d]);
      d_p += dot(d_o[d], load_v(at_v, 4u * d));
    }
    let d_score = exp(score - normalizer) * (d_p * dropout_factor(bh, i, j) - d_sum);
    for (var d = 0u; d < VECTORS; d++) { sums[d] += d_score * key[d]; }
  }
  for (var d = 0u; d < HEAD_DIM; d++) { d_q[at_q + d] = Real(p.scale * sums[d / 4u][d % 4u]); }
}

@compute @workgroup_size(32)
fn backward_kv(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = id.x + id.y * (groups.x * 32u);
  if (row >= p.rows) { return; }
  let j = row % p.Tk;
  let bh = row / p.Tk;
  let batch = bh / p.heads;
  let head = bh % p.heads;
  let at_kv = batch * p.kv_batch + head * p.kv_head + j * p.kv_token;

  var key: array<vec4f, VECTORS>;
  var value: array<vec4f, VECTORS>;
  var d_k: array<vec4f, VECTORS>;
  var d_v: array<vec4f, VECTORS>;
  for (var d = 0u; d < VECTORS; d++) {
    key[d] = p.scale * load_k(p.k_offset + at_kv, 4u * d);
    value[d] = load_v(p.v_offset + at_kv, 4u * d);
    d_k[d] = vec4f();
    d_v[d] = vec4f();
  }
  // The first query that sees this key. Invocations of one workgroup start together, so that they read the same rows.
  let first_of_group = (row - id.x % 32u) % p.Tk;
  var i = 0u;
  if (CAUSAL) { i = max(min(j, first_of_group), p.Tk - p.Tq) - (p.Tk - p.Tq); }
  for (; i < p.Tq; i++) {
    let at_q = p.q_offset + batch * p.q_batch + head * p.q_head + i * p.q_token;
    let at_o = batch * p.o_batch + head * p.o_head + i * p.o_token;
    var score = 0.0;
    var d_p = 0.0;
    var query: array<vec4f, VECTORS>;
    var d_o: array<vec4f, VECTORS>;
    for (var d = 0u; d < VECTORS; d++) {
      query[d] = load_q(at_q, 4u * d);
      d_o[d] = load_d_out(at_o, 4u * d);
      score += dot(key[d], query[d]);
      d_p += dot(value[d], d_o[d]);
    }
    let seen = j < keys_of(i);
    let probability = select(0.0, exp(score - log_sum_exp[bh * p.Tq + i]), seen);
    let factor = dropout_factor(bh, i, j);
    let d_score = probability * (d_p * factor - d_sums_in[bh * p.Tq + i]);
    for (var d = 0u; d < VECTORS; d++) {
      d_k[d] += d_score * query[d];
      d_v[d] += probability * factor * d_o[d];
    }
  }
  for (var d = 0u; d < HEAD_DIM; d++) {
    d_kv[p.dk_offset + at_kv + d] = Real(p.scale * d_k[d / 4u][d % 4u]);
    d_kv[p.dv_offset + at_kv + d] = Real(d_v[d / 4u][d % 4u]);
  }
}
