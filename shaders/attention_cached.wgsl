// Attention of new tokens to those before them, whose keys and values are kept: generation, one token or a few at a time.
//
//   o[b, t, h] = Σ_j softmax_j(scale · q[b, t, h] · k[b, h, j]) v[b, h, j],  j over the lengths[b] kept ones and new ones up to t
//
// `attend`: PARTS invocations share a query; each walks every PARTS-th key with an online softmax and leaves its maximum, its
// sum and its weighted values. `combine`: one invocation per query and four channels adds these up in order, and keeps the new
// key and value behind the others. `store` keeps keys and values of sequences from their beginning on, for prompts.
// How many keys there are stands in memory and not in Params: nothing that is bound changes from token to token.
//
// qkv: (B, T, 3C), queries, keys and values side by side, heads as consecutive stretches. keys, values: (rows, H, S, VECTORS).

alias Real = f32;  // or f16: what is stored; scores and sums are f32

const HEAD_DIM: u32 = 64;  // tunable: D
const VECTORS: u32 = 16;   // tunable: D / 4, rounded up
const PARTS: u32 = 8;      // tunable

struct Params {
  T: u32,
  heads: u32,   // H
  S: u32,       // tokens that there is room for
  count: u32,   // queries, or invocations of combine, store and advance
  scale: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> qkv: array<Real>;
@group(0) @binding(2) var<storage, read> lengths: array<u32>;             // (rows): tokens that are kept
@group(0) @binding(3) var<storage, read> keys: array<vec4<Real>>;
@group(0) @binding(4) var<storage, read> values: array<vec4<Real>>;
@group(0) @binding(5) var<storage, read_write> sums: array<vec4f>;        // (B, T, H, PARTS, 1 + VECTORS)
@group(0) @binding(6) var<storage, read> sums_in: array<vec4f>;           // sums, once they are computed
@group(0) @binding(7) var<storage, read_write> o: array<Real>;            // (B, T, C)
@group(0) @binding(8) var<storage, read_write> kept_keys: array<vec4<Real>>;
@group(0) @binding(9) var<storage, read_write> kept_values: array<vec4<Real>>;
@group(0) @binding(10) var<storage, read> rows: array<u32>;               // row of keys and values of each sequence
@group(0) @binding(11) var<storage, read_write> advanced: array<u32>;     // lengths
@group(0) @binding(12) var<storage, read_write> places: array<u32>;       // (B, T): where new tokens stand

// Channels 4 d … 4 d + 3 of the query (part 0), key (1) or value (2) of a token and head; those beyond D are 0.
fn load(token: u32, part: u32, head: u32, d: u32) -> vec4f {
  let i = (token * 3u + part) * p.heads * HEAD_DIM + head * HEAD_DIM + 4u * d;
  let at = vec4u(0u, 1u, 2u, 3u);
  return select(
    vec4f(),
    vec4f(f32(qkv[i]), f32(qkv[i + 1u]), f32(qkv[i + 2u]), f32(qkv[i + 3u])),
    4u * d + at < vec4u(HEAD_DIM),
  );
}

@compute @workgroup_size(PARTS)
fn attend(here: Workgroup, @builtin(local_invocation_index) lane: u32) {
  let row = group_of(here);  // (b, t, h)
  if (row >= p.count) { return; }
  let head = row % p.heads;
  let token = row / p.heads;
  let b = token / p.T;
  var query: array<vec4f, VECTORS>;
  var weighted: array<vec4f, VECTORS>;
  /* unroll */ for (var d = 0u; d < VECTORS; d++) {
    query[d] = p.scale * load(token, 0u, head, d);
    weighted[d] = vec4f();
  }
  var largest = -3.0e38;
  var total = 0.0;
  let first = (b * p.heads + head) * p.S;
  let kept = min(lengths[b], p.S);
  for (var j = lane; j < kept; j += PARTS) {
    let at = (first + j) * VECTORS;
    var score = 0.0;
    /* unroll */ for (var d = 0u; d < VECTORS; d++) { score += dot(query[d], vec4f(keys[at + d])); }
    let before = largest;
    largest = max(largest, score);
    let shrink = exp(before - largest);
    let weight = exp(score - largest);
    total = total * shrink + weight;
    /* unroll */ for (var d = 0u; d < VECTORS; d++) { weighted[d] = weighted[d] * shrink + weight * vec4f(values[at + d]); }
  }
  for (var j = b * p.T + lane; j <= token; j += PARTS) {
    var score = 0.0;
    /* unroll */ for (var d = 0u; d < VECTORS; d++) { score += dot(query[d], load(j, 1u, head, d)); }
    let before = largest;
    largest = max(largest, score);
    let shrink = exp(before - largest);
    let weight = exp(score - largest);
    total = total * shrink + weight;
    /* unroll */ for (var d = 0u; d < VECTORS; d++) { weighted[d] = weighted[d] * shrink + weight * load(j, 2u, head, d); }
  }
  let out = (row * PARTS + lane) * (VECTORS + 1u);
  sums[out] = vec4f(largest, total, 0.0, 0.0);
  /* unroll */ for (var d = 0u; d < VECTORS; d++) { sums[out + 1u + d] = weighted[d]; }
}

@compute @workgroup_size(64)
fn combine(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * (groups.x * 64u);
  if (i >= p.count) { return; }
  let d = i % VECTORS;
  let row = i / VECTORS;
  let head = row % p.heads;
  let token = row / p.heads;
  let first = row * PARTS * (VECTORS + 1u);
  var largest = -3.0e38;
  for (var part = 0u; part < PARTS; part++) { largest = max(largest, sums_in[first + part * (VECTORS + 1u)].x); }
  var total = 0.0;
  var weighted = vec4f();
  for (var part = 0u; part < PARTS; part++) {
    let at = first + part * (VECTORS + 1u);
    let factor = exp(sums_in[at].x - largest);
    total += factor * sums_in[at].y;
    weighted += factor * sums_in[at + 1u + d];
  }
  let at_o = token * p.heads * HEAD_DIM + head * HEAD_DIM;
  for (var c = 4u * d; c < min(4u * d + 4u, HEAD_DIM); c++) { o[at_o + c] = Real(weighted[c % 4u] / total); }
  let b = token / p.T;
  keep(b, lengths[b] + token % p.T, token, head, d);
}

@compute @workgroup_size(64)
fn store(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * (groups.x * 64u);
  if (i >= p.count) { return; }
  let token = i / VECTORS / p.heads;
  keep(rows[token / p.T], token % p.T, token, i / VECTORS % p.heads, i % VECTORS);
}

fn keep(row: u32, place: u32, token: u32, head: u32, d: u32) {
  if (place >= p.S) { return; }  // else it would be the next row's
  let at = ((row * p.heads + head) * p.S + place) * VECTORS + d;
  kept_keys[at] = vec4<Real>(load(token, 1u, head, d));
  kept_values[at] = vec4<Real>(load(token, 2u, head, d));
}

@compute @workgroup_size(64)
fn place(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * (groups.x * 64u);
  if (i < p.count) { places[i] = lengths[i / p.T] + i % p.T; }
}

@compute @workgroup_size(64)
fn advance(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * (groups.x * 64u);
  if (i < p.count) { advanced[i] += p.T; }
}
