// Draws the next token of each sequence from its logits. A workgroup has one row; each lane one stretch of its tokens.
//
//   x = (penalized(logits + bias)) / temperature;  w = exp(x − max x)
//   penalized: x / r or x · r, away from 0, for tokens of prompt or output (Keskar et al. 2019); then x − f · count − g · [count > 0]
//   top-k: the k tokens of largest x; top-p: of these the fewest, largest first, whose w are at least p of their sum (Holtzman
//   et al. 2020); min-p: of these, those with w ≥ min_p. Equal x: the token of smaller index is the larger.
//   drawn: the first token at which the running sum of w exceeds u · sum, u = hash(seed, stream, step)
//
// Thresholds are found by bisection over the bits of x, two at a time, instead of by sorting. Sums run in an order that depends
// on the shapes alone. The number of the step stands in memory: nothing that is bound changes from token to token.

const LANES: u32 = 8;  // tunable

struct Params {
  rows: u32,     // B
  V: u32,
  stretch: u32,  // tokens of a lane
  stream: u32,   // of random numbers
  first: u32,    // row of `history` where outputs begin
}

struct Request {
  top_k: u32,
  seed: u32,
  seed_high: u32,
  step: u32,           // tokens drawn so far
  temperature: f32,
  top_p: f32,
  min_p: f32,
  repetition: f32,
  frequency: f32,
  presence: f32,
  unused: vec2u,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;             // (B, V)
@group(0) @binding(2) var<storage, read_write> scores: array<f32>;       // (B, V): x
@group(0) @binding(3) var<storage, read_write> requests: array<Request>; // (B)
@group(0) @binding(4) var<storage, read_write> counts: array<u32>;       // (B, V), with PENALTIES: 2 · in outputs + in prompt
@group(0) @binding(5) var<storage, read> bias: array<f32>;               // (B, V), with BIAS
@group(0) @binding(6) var<storage, read_write> history: array<u32>;      // (prompt + outputs, B)
@group(0) @binding(7) var<storage, read_write> ids: array<u32>;          // (B): the token drawn; NO_TOKEN where logits are NaN
@group(0) @binding(8) var<storage, read_write> log_probs: array<f32>;    // (outputs, B): of the token, by the logits alone

override PENALTIES: bool = false;
override BIAS: bool = false;
override LIMITED: bool = false;  // whether any row has top_k below V
override TOP_K: bool = false;    // whether any of these is above 1
override TOP_P: bool = false;    // whether any row has top_p below 1

const NO_TOKEN: u32 = 0xffffffffu;
const LOWEST: f32 = -3.0e38;

var<workgroup> by_lane: array<vec4f, LANES>;
var<workgroup> by_lane_u32: array<vec4u, LANES>;

fn sum_f32(lane: u32, value: vec4f) -> vec4f {
  by_lane[lane] = value;
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { by_lane[lane] += by_lane[lane + half]; }
  }
  workgroupBarrier();
  let total = by_lane[0];
  workgroupBarrier();
  return total;
}
fn sum_u32(lane: u32, value: vec4u) -> vec4u {
  by_lane_u32[lane] = value;
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { by_lane_u32[lane] += by_lane_u32[lane + half]; }
  }
  workgroupBarrier();
  let total = by_lane_u32[0];
  workgroupBarrier();
  return total;
}
fn max_f32(lane: u32, value: vec4f) -> vec4f {
  by_lane[lane] = value;
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { by_lane[lane] = max(by_lane[lane], by_lane[lane + half]); }
  }
  workgroupBarrier();
  let largest = by_lane[0];
  workgroupBarrier();
  return largest;
}

// Unsigned numbers in the order of the floats.
fn key_of(x: f32) -> u32 {
  let bits = bitcast<u32>(x);
  return select(bits | 0x80000000u, ~bits, bits >= 0x80000000u);
}

// Of a lane's tokens: where its allowance of tokens whose key is `key` ends, with `allowed` for all lanes together, in order.
fn end_of_ties(lane: u32, begin: u32, end: u32, key: u32, allowed: u32) -> u32 {
  var ties = 0u;
  for (var i = begin; i < end; i++) { ties += select(0u, 1u, key_of(scores[i]) == key); }
  by_lane_u32[lane] = vec4u(ties);
  workgroupBarrier();
  var left = allowed;
  for (var other = 0u; other < lane; other++) { left -= min(left, by_lane_u32[other].x); }
  workgroupBarrier();
  if (left >= ties) { return end; }
  var i = begin;
  for (; i < end; i++) {
    if (key_of(scores[i]) == key) {
      if (left == 0u) { break; }
      left--;
    }
  }
  return i;
}

@compute @workgroup_size(LANES)
fn main(here: Workgroup, @builtin(local_invocation_index) lane: u32) {
  let row = group_of(here);
  if (row >= p.rows) { return; }
  let request = requests[row];
  let begin = row * p.V + min(lane * p.stretch, p.V);
  let end = row * p.V + min((lane + 1u) * p.stretch, p.V);

  // The largest of logits and of x; whether any is NaN, which comparisons do not tell on all drivers.
  var largest = vec4f(LOWEST, LOWEST, 0.0, 0.0);
  for (var i = begin; i < end; i++) {
    let logit = logits[i];
    var x = logit;
    if (BIAS) { x += bias[i]; }
    if (PENALTIES) {
      let count = counts[i];
      if (count > 0u) { x = select(x * request.repetition, x / request.repetition, x > 0.0); }
      if (count > 1u) { x -= request.frequency * f32(count >> 1u) + request.presence; }
    }
    x /= request.temperature;
    x += 0.0;  // −0 is 0
    scores[i] = x;
    let nan = select(0.0, 1.0, (bitcast<u32>(logit) & 0x7fffffffu) > 0x7f800000u);
    largest = max(largest, vec4f(logit, x, nan, 0.0));
  }
  largest = max_f32(lane, largest);

  var sums = vec4f();
  for (var i = begin; i < end; i++) { sums += vec4f(exp(logits[i] - largest.x), exp(scores[i] - largest.y), 0.0, 0.0); }
  let totals = sum_f32(lane, sums);

  // Top-k: tokens above `key`, and those of it up to `ties`.
  var key = select(0u, key_of(largest.y), request.top_k == 1u);
  var ties = end;
  if (TOP_K) {
    var found = 0u;
    for (var bit = 30u; bit < 32u; bit -= 2u) {  // until it wraps
      let candidates = vec3u(found | (1u << bit), found | (2u << bit), found | (3u << bit));
      var counted = vec3u();
      for (var i = begin; i < end; i++) { counted += select(vec3u(), vec3u(1u), vec3u(key_of(scores[i])) >= candidates); }
      let enough = sum_u32(lane, vec4u(counted, 0u)).xyz >= vec3u(request.top_k);
      found = select(select(select(found, candidates.x, enough.x), candidates.y, enough.y), candidates.z, enough.z);
    }
    key = select(key, found, request.top_k > 1u && request.top_k < p.V);
  }
  if (LIMITED) {
    var above = 0u;
    for (var i = begin; i < end; i++) { above += select(0u, 1u, key_of(scores[i]) > key); }
    above = sum_u32(lane, vec4u(above)).x;
    let allowed = select(request.top_k - min(above, request.top_k), p.V, request.top_k >= p.V);
    ties = end_of_ties(lane, begin, end, key, allowed);
  }

  // Top-p, among these.
  if (TOP_P) {
    var kept = 0.0;
    for (var i = begin; i < end; i++) {
      let own = key_of(scores[i]);
      kept += select(0.0, exp(scores[i] - largest.y), own > key || (own == key && i < ties));
    }
    let wanted = request.top_p * sum_f32(lane, vec4f(kept)).x;
    var found = 0u;
    for (var bit = 30u; bit < 32u; bit -= 2u) {
      let candidates = vec3u(found | (1u << bit), found | (2u << bit), found | (3u << bit));
      var mass = vec3f();
      for (var i = begin; i < end; i++) {
        let own = key_of(scores[i]);
        let weight = select(0.0, exp(scores[i] - largest.y), own > key || (own == key && i < ties));
        mass += select(vec3f(), vec3f(weight), vec3u(own) >= candidates);
      }
      let enough = sum_f32(lane, vec4f(mass, 0.0)).xyz >= vec3f(wanted);
      found = select(select(select(found, candidates.x, enough.x), candidates.y, enough.y), candidates.z, enough.z);
    }
    // Of tokens with the last key as many as are needed, and no others than top-k left.
    var mass = 0.0;
    for (var i = begin; i < end; i++) {
      let own = key_of(scores[i]);
      mass += select(0.0, exp(scores[i] - largest.y), own > found && (own > key || (own == key && i < ties)));
    }
    let before = sum_f32(lane, vec4f(mass)).x;
    let bits = select(~found, found & 0x7fffffffu, found >= 0x80000000u);
    let each = exp(bitcast<f32>(bits) - largest.y);
    let needed = u32(clamp(ceil((wanted - before) / each), 1.0, f32(p.V)));
    let end_of_found = end_of_ties(lane, begin, end, found, needed);
    let narrows = request.top_p < 1.0 && found >= key;
    ties = select(ties, select(end_of_found, min(ties, end_of_found), found == key), narrows);
    key = select(key, found, narrows);
  }

  // What is left, by lane; then the lane and the token at which the running sum passes the draw.
  var weight = 0.0;
  for (var i = begin; i < end; i++) { weight += kept_weight(i, key, ties, largest.y, request); }
  by_lane[lane] = vec4f(weight);
  workgroupBarrier();
  var total = 0.0;
  for (var other = 0u; other < LANES; other++) { total += by_lane[other].x; }
  let draw = f32(pcg4d(vec4u(request.seed, p.stream, request.step, request.seed_high)).x >> 8u) * 0x1p-24;
  let place = draw * total;
  var chosen = 0u;
  var before = 0.0;
  var sum = 0.0;
  for (var other = 0u; other < LANES; other++) {
    let own = by_lane[other].x;
    if (own > 0.0 && place >= sum) {
      chosen = other;
      before = sum;
    }
    sum += own;
  }
  if (lane != chosen) { return; }
  var token = NO_TOKEN;
  for (var i = begin; i < end; i++) {
    let own = kept_weight(i, key, ties, largest.y, request);
    if (own > 0.0) { token = i; }
    before += own;
    if (own > 0.0 && before > place) { break; }
  }
  if (largest.z > 0.0 || token == NO_TOKEN) {
    token = NO_TOKEN;
  } else {
    log_probs[request.step * p.rows + row] = logits[token] - largest.x - log(totals.x);
    if (PENALTIES) { counts[token] += 2u; }
    token -= row * p.V;
  }
  ids[row] = token;
  history[(p.first + request.step) * p.rows + row] = token;
  requests[row].step = request.step + 1u;
}

// exp(x − largest) of a token, or 0 where it was left out.
fn kept_weight(i: u32, key: u32, ties: u32, largest: f32, request: Request) -> f32 {
  let own = key_of(scores[i]);
  let weight = exp(scores[i] - largest);
  return select(0.0, weight, (own > key || (own == key && i < ties)) && weight >= request.min_p);
}
