// Reductions over the invocations of a workgroup that share a row: trees in workgroup memory. A part of the shaders that
// reduce rows, for their entry points named *_shared; on CPU adapters a barrier costs more than a row.

const ROW_LANES: u32 = 64;

var<workgroup> by_lane: array<vec2f, ROW_LANES>;

// The sum over all lanes, in each of them.
fn sum_over_lanes(lane: u32, value: vec2f) -> vec2f {
  by_lane[lane] = value;
  for (var half = ROW_LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { by_lane[lane] += by_lane[lane + half]; }
  }
  workgroupBarrier();
  let total = by_lane[0];
  workgroupBarrier();  // so that the next reduction may write
  return total;
}

// (m, t) stands for t · e^m, a sum of exponentials whose largest is e^m.
fn add_exponentials(a: vec2f, b: vec2f) -> vec2f {
  let m = max(a.x, b.x);
  return vec2f(m, a.y * exp(a.x - m) + b.y * exp(b.x - m));
}

// The sum of exponentials over all lanes, in each of them.
fn add_exponentials_over_lanes(lane: u32, value: vec2f) -> vec2f {
  by_lane[lane] = value;
  for (var half = ROW_LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { by_lane[lane] = add_exponentials(by_lane[lane], by_lane[lane + half]); }
  }
  workgroupBarrier();
  let total = by_lane[0];
  workgroupBarrier();
  return total;
}
