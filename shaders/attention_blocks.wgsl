// Scaled dot-product attention with an online softmax (FlashAttention, Dao et al. 2022), four queries at a time.
//
// For adapters that gain nothing from workgroup memory: CPUs, above all. The formulas, bindings and strides are those of
// attention_rows.wgsl, with vec4s for elements: D is a multiple of 4. An invocation holds four queries (in
// backward_kv: four keys) as matrices of 4 × 4, one for four elements of D, whose columns are the queries; so a row of K
// times such a matrix adds to four scores, and each element that is loaded serves four. A tile's queries are of one
// head: all its invocations need the same rows of K and V; how they come by them is in vectors_loaded.wgsl or in
// vectors_shuffled.wgsl. Keys that no query of a tile sees are skipped.

const VECTORS: u32 = 16;  // tunable: D / 4
const LANES: u32 = 8;     // tunable

fn outer(x: vec4f, y: vec4f) -> mat4x4f { return mat4x4f(x.x * y, x.y * y, x.z * y, x.w * y); }

// Those of four queries and one key, or of one query and four keys.
fn factors(first: u32, step: u32) -> vec4f {
  if (!DROPOUT) { return vec4f(1.0); }
  return vec4f(factor(first), factor(first + step), factor(first + 2u * step), factor(first + 3u * step));
}

fn keys_of_four(i: u32) -> vec4u {
  return vec4u(keys_of(i), keys_of(i + 1u), keys_of(i + 2u), keys_of(i + 3u));
}

// Where the rows i … i + 3 begin; those beyond the last are the last.
fn four_rows(offset: u32, i: u32, count: u32, step: u32) -> vec4u {
  return vec4u(offset) + min(vec4u(i, i + 1u, i + 2u, i + 3u), vec4u(count - 1u)) * step;
}

// Four queries of a head: the first one, where their rows begin and those of the keys and values, how many keys each sees, and any
// of their tile.
struct Queries { bh: u32, i: u32, at_q: vec4u, at_k: u32, at_v: u32, limits: vec4u, keys: u32 }

fn queries_of(tile: u32, lane: u32) -> Queries {
  let bh = tile / p.tiles;
  let first = tile % p.tiles * (4u * LANES);
  let i = first + 4u * lane;
  let at_kv = kv_of_head(bh);
  return Queries(
    bh,
    i,
    four_rows(q_of_head(bh) / 4u, i, p.Tq, p.q_token / 4u),
    (p.k_offset + at_kv) / 4u,
    (p.v_offset + at_kv) / 4u,
    keys_of_four(i),
    keys_of(min(first + 4u * LANES, p.Tq) - 1u),
  );
}

@compute @workgroup_size(LANES)
fn forward(here: Workgroup, @builtin(local_invocation_index) lane: u32) {
  var left = p.share;
  for (var tile = take(here, lane, &left); tile < p.workgroups; tile = take(here, lane, &left)) { forward_of(tile, lane); }
}

fn forward_of(tile: u32, lane: u32) {
  let mine = queries_of(tile, lane);
  let bh = mine.bh;
  let i = mine.i;
  let at_q = mine.at_q;

  var query: array<mat4x4f, VECTORS>;
  var sums: array<mat4x4f, VECTORS>;
  /* unroll */ for (var d = 0u; d < VECTORS; d++) {
    query[d] = p.scale * mat4x4f(vec4f(q[at_q.x + d]), vec4f(q[at_q.y + d]), vec4f(q[at_q.z + d]), vec4f(q[at_q.w + d]));
    sums[d] = mat4x4f();
  }
  var largest = vec4f(LOWEST);
  var total = vec4f();
  for (var j = 0u; j < min(mine.keys, arrayLength(&k)); j++) {
    let row_k = mine.at_k + j * (p.kv_token / 4u);
    let row_v = mine.at_v + j * (p.kv_token / 4u);
    var score = vec4f();
    let own_key = own_k(row_k, lane);
    /* unroll */ for (var d = 0u; d < VECTORS; d++) { score += k_of(row_k, own_key, d) * query[d]; }
    score = select(vec4f(LOWEST), score, vec4u(j) < mine.limits);
    let before = largest;
    largest = max(score, before);
    let shrink = exp(before - largest);
    score = exp(score - largest);
    total = total * shrink + score;
    score *= factors((bh * p.Tq + i) * p.Tk + j, p.Tk);
    let own_value = own_v(row_v, lane);
    /* unroll */ for (var d = 0u; d < VECTORS; d++) {
      let of_v = v_of(row_v, own_value, d);
      sums[d][0] = shrink.x * sums[d][0] + score.x * of_v;  // row by row: LOG.md, "The CPU's cache of instructions"
      sums[d][1] = shrink.y * sums[d][1] + score.y * of_v;
      sums[d][2] = shrink.z * sums[d][2] + score.z * of_v;
      sums[d][3] = shrink.w * sums[d][3] + score.w * of_v;
    }
  }
  let at_o = four_rows(o_of_head(bh) / 4u, i, p.Tq, p.o_token / 4u);
  let normalizer = largest + log(total);
  if (i < p.Tq) { lse[bh * p.Tq + i] = normalizer.x; }
  if (i + 1u < p.Tq) { lse[bh * p.Tq + i + 1u] = normalizer.y; }
  if (i + 2u < p.Tq) { lse[bh * p.Tq + i + 2u] = normalizer.z; }
  if (i + 3u < p.Tq) { lse[bh * p.Tq + i + 3u] = normalizer.w; }
  /* unroll */ for (var d = 0u; d < VECTORS; d++) {
    if (i < p.Tq) { o[at_o.x + d] = vec4<Real>(sums[d][0] / total.x); }
    if (i + 1u < p.Tq) { o[at_o.y + d] = vec4<Real>(sums[d][1] / total.y); }
    if (i + 2u < p.Tq) { o[at_o.z + d] = vec4<Real>(sums[d][2] / total.z); }
    if (i + 3u < p.Tq) { o[at_o.w + d] = vec4<Real>(sums[d][3] / total.w); }
  }
}

// Also leaves D for backward_kv.
@compute @workgroup_size(LANES)
fn backward_q(here: Workgroup, @builtin(local_invocation_index) lane: u32) {
  var left = p.share;
  for (var tile = take(here, lane, &left); tile < p.workgroups; tile = take(here, lane, &left)) { backward_q_of(tile, lane); }
}

fn backward_q_of(tile: u32, lane: u32) {
  let mine = queries_of(tile, lane);
  let bh = mine.bh;
  let i = mine.i;
  let at_q = mine.at_q;
  let at_o = four_rows(o_of_head(bh) / 4u, i, p.Tq, p.o_token / 4u);
  let rows = four_rows(bh * p.Tq, i, p.Tq, 1u);

  var query: array<mat4x4f, VECTORS>;
  var d_o: array<mat4x4f, VECTORS>;
  var sums: array<mat4x4f, VECTORS>;
  var d_sum = vec4f();
  /* unroll */ for (var d = 0u; d < VECTORS; d++) {
    query[d] = p.scale * mat4x4f(vec4f(q[at_q.x + d]), vec4f(q[at_q.y + d]), vec4f(q[at_q.z + d]), vec4f(q[at_q.w + d]));
    sums[d] = mat4x4f();
  }
  /* unroll */ for (var d = 0u; d < VECTORS; d++) {
    d_o[d] = mat4x4f(vec4f(d_out[at_o.x + d]), vec4f(d_out[at_o.y + d]), vec4f(d_out[at_o.z + d]), vec4f(d_out[at_o.w + d]));
  }
  /* unroll */ for (var d = 0u; d < VECTORS; d++) {
    let m = d_o[d];
    d_sum += vec4f(
      dot(m[0], vec4f(out[at_o.x + d])),
      dot(m[1], vec4f(out[at_o.y + d])),
      dot(m[2], vec4f(out[at_o.z + d])),
      dot(m[3], vec4f(out[at_o.w + d])),
    );
  }
  let normalizer = vec4f(log_sum_exp_of(rows.x), log_sum_exp_of(rows.y), log_sum_exp_of(rows.z), log_sum_exp_of(rows.w));
  for (var j = 0u; j < min(mine.keys, arrayLength(&k)); j++) {
    let row_k = mine.at_k + j * (p.kv_token / 4u);
    let row_v = mine.at_v + j * (p.kv_token / 4u);
    var score = vec4f();
    var d_p = vec4f();
    let own_key = own_k(row_k, lane);
    let own_value = own_v(row_v, lane);
    /* unroll */ for (var d = 0u; d < VECTORS; d++) { score += k_of(row_k, own_key, d) * query[d]; }
    /* unroll */ for (var d = 0u; d < VECTORS; d++) { d_p += v_of(row_v, own_value, d) * d_o[d]; }
    let weight = select(vec4f(), exp(score - normalizer), vec4u(j) < mine.limits);
    let d_score = weight * (d_p * factors((bh * p.Tq + i) * p.Tk + j, p.Tk) - d_sum);
    /* unroll */ for (var d = 0u; d < VECTORS; d++) { sums[d] += outer(d_score, k_of(row_k, own_key, d)); }
  }
  if (i < p.Tq) { d_sums[rows.x] = d_sum.x; }
  if (i + 1u < p.Tq) { d_sums[rows.y] = d_sum.y; }
  if (i + 2u < p.Tq) { d_sums[rows.z] = d_sum.z; }
  if (i + 3u < p.Tq) { d_sums[rows.w] = d_sum.w; }
  /* unroll */ for (var d = 0u; d < VECTORS; d++) {
    if (i < p.Tq) { d_q[at_q.x + d] = vec4<Real>(p.scale * sums[d][0]); }
    if (i + 1u < p.Tq) { d_q[at_q.y + d] = vec4<Real>(p.scale * sums[d][1]); }
    if (i + 2u < p.Tq) { d_q[at_q.z + d] = vec4<Real>(p.scale * sums[d][2]); }
    if (i + 3u < p.Tq) { d_q[at_q.w + d] = vec4<Real>(p.scale * sums[d][3]); }
  }
}

@compute @workgroup_size(LANES)
fn backward_kv(here: Workgroup, @builtin(local_invocation_index) lane: u32) {
  var left = p.share;
  for (var tile = take(here, lane, &left); tile < p.workgroups; tile = take(here, lane, &left)) { backward_kv_of(tile, lane); }
}

fn backward_kv_of(tile: u32, lane: u32) {
  let bh = tile / p.tiles;
  let first = tile % p.tiles * (4u * LANES);
  let j = first + 4u * lane;
  let at_kv = kv_of_head(bh);
  let at_k = four_rows((p.k_offset + at_kv) / 4u, j, p.Tk, p.kv_token / 4u);
  let at_v = four_rows((p.v_offset + at_kv) / 4u, j, p.Tk, p.kv_token / 4u);
  let at_q = q_of_head(bh) / 4u;
  let at_o = o_of_head(bh) / 4u;

  var key: array<mat4x4f, VECTORS>;
  var value: array<mat4x4f, VECTORS>;
  var d_k: array<mat4x4f, VECTORS>;
  var d_v: array<mat4x4f, VECTORS>;
  /* unroll */ for (var d = 0u; d < VECTORS; d++) {
    key[d] = p.scale * mat4x4f(vec4f(k[at_k.x + d]), vec4f(k[at_k.y + d]), vec4f(k[at_k.z + d]), vec4f(k[at_k.w + d]));
    value[d] = mat4x4f(vec4f(v[at_v.x + d]), vec4f(v[at_v.y + d]), vec4f(v[at_v.z + d]), vec4f(v[at_v.w + d]));
    d_k[d] = mat4x4f();
    d_v[d] = mat4x4f();
  }
  // From the first query that sees the first key of this tile.
  var i = 0u;
  if (CAUSAL) { i = max(first, p.Tk - p.Tq) - (p.Tk - p.Tq); }
  for (; i < min(p.Tq, arrayLength(&q)); i++) {
    let row_q = at_q + i * (p.q_token / 4u);
    let row_o = at_o + i * (p.o_token / 4u);
    let row = bh * p.Tq + i;
    var score = vec4f();
    var d_p = vec4f();
    let own_query = own_q(row_q, lane);
    let own_d_o = own_d_out(row_o, lane);
    /* unroll */ for (var d = 0u; d < VECTORS; d++) { score += q_of(row_q, own_query, d) * key[d]; }
    /* unroll */ for (var d = 0u; d < VECTORS; d++) { d_p += d_out_of(row_o, own_d_o, d) * value[d]; }
    let sees = vec4u(j, j + 1u, j + 2u, j + 3u) < vec4u(keys_of(i));
    let weight = select(vec4f(), exp(score - log_sum_exp_of(row)), sees);
    let mask = factors(row * p.Tk + j, 1u);
    let kept = weight * mask;
    let d_score = weight * (d_p * mask - d_sum_of(row));
    /* unroll */ for (var d = 0u; d < VECTORS; d++) { d_v[d] += outer(kept, d_out_of(row_o, own_d_o, d)); }
    /* unroll */ for (var d = 0u; d < VECTORS; d++) { d_k[d] += outer(d_score, q_of(row_q, own_query, d)); }
  }
  let to_k = four_rows((p.dk_offset + at_kv) / 4u, j, p.Tk, p.kv_token / 4u);
  let to_v = four_rows((p.dv_offset + at_kv) / 4u, j, p.Tk, p.kv_token / 4u);
  /* unroll */ for (var d = 0u; d < VECTORS; d++) {
    if (j < p.Tk) {
      d_k_store(to_k.x + d, d_k[d][0]);
      d_kv[to_v.x + d] = vec4<Real>(d_v[d][0]);
    }
    if (j + 1u < p.Tk) {
      d_k_store(to_k.y + d, d_k[d][1]);
      d_kv[to_v.y + d] = vec4<Real>(d_v[d][1]);
    }
    if (j + 2u < p.Tk) {
      d_k_store(to_k.z + d, d_k[d][2]);
      d_kv[to_v.z + d] = vec4<Real>(d_v[d][2]);
    }
    if (j + 3u < p.Tk) {
      d_k_store(to_k.w + d, d_k[d][3]);
      d_kv[to_v.w + d] = vec4<Real>(d_v[d][3]);
    }
  }
}

fn d_k_store(at: u32, slope: vec4f) { d_kv[at] = vec4<Real>(p.scale * slope); }
