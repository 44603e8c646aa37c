// Sums, maxima and counts over some axes of x.
//
// Output element o, at coordinates k over the kept axes, folds the inputs x[Σ k·kept_stride + Σ r·reduced_stride]
// for all coordinates r over the reduced axes. Each invocation folds one stretch of `chunk` inputs, in order; where
// there are few outputs, several stretches share one and a second dispatch folds those: out is (stretches, outputs).
// The order of additions depends on shapes alone.

alias Real = f32;    // or f16: what is summed; sums are f32
alias Result = f32;  // or f16

struct Params {
  outputs: u32,
  stretches: u32,
  chunk: u32,                        // inputs of a stretch
  reduced: u32,                      // inputs of an output
  factor: f32,                       // multiplies each result
  kept_shape: array<vec4u, 2>,       // up to 8 dimensions each, last ones first
  kept_strides: array<vec4u, 2>,
  reduced_shape: array<vec4u, 2>,
  reduced_strides: array<vec4u, 2>,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Real>;
@group(0) @binding(2) var<storage, read> maximum: array<f32>;  // (outputs)
@group(0) @binding(3) var<storage, read> dy: array<f32>;       // (outputs)
@group(0) @binding(4) var<storage, read> tied: array<f32>;     // (outputs)
@group(0) @binding(5) var<storage, read_write> out: array<Result>;

override MAXIMUM: bool = false;  // otherwise the sum

fn kept_offset(output: u32) -> u32 {
  var rest = output;
  var offset = 0u;
  for (var d = 0u; d < 8u; d++) {
    if (rest == 0u) { break; }
    offset += (rest % p.kept_shape[d / 4u][d % 4u]) * p.kept_strides[d / 4u][d % 4u];
    rest /= p.kept_shape[d / 4u][d % 4u];
  }
  return offset;
}

fn reduced_offset(input: u32) -> u32 {
  var rest = input;
  var offset = 0u;
  for (var d = 0u; d < 8u; d++) {
    if (rest == 0u) { break; }
    offset += (rest % p.reduced_shape[d / 4u][d % 4u]) * p.reduced_strides[d / 4u][d % 4u];
    rest /= p.reduced_shape[d / 4u][d % 4u];
  }
  return offset;
}

// Where the stretch of an invocation begins and ends, and the element at which its output's inputs begin.
struct Stretch { output: u32, first: u32, end: u32, base: u32 }

fn stretch_of(i: u32) -> Stretch {
  let output = i % p.outputs;
  let first = (i / p.outputs) * p.chunk;
  return Stretch(output, first, min(first + p.chunk, p.reduced), kept_offset(output));
}

// Tested on the bits: a comparison of a number with itself may be folded away.
fn is_nan(v: f32) -> bool { return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u; }

// Both entry points walk runs of the innermost reduced axis, which step by one stride: coordinates are worked out
// at the head of each run only.

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * (groups.x * 64u);
  if (i >= p.outputs * p.stretches) { return; }
  let s = stretch_of(i);
  let run = p.reduced_shape[0][0];
  let step = p.reduced_strides[0][0];
  var folded = 0.0;
  if (MAXIMUM) { folded = f32(x[s.base + reduced_offset(min(s.first, p.reduced - 1u))]); }
  var r = s.first;
  while (r < s.end) {
    var at = s.base + reduced_offset(r);
    let run_end = min(s.end, r - r % run + run);
    for (; r < run_end; r++) {
      let v = f32(x[at]);
      at += step;
      if (MAXIMUM) { folded = select(folded, v, v > folded || is_nan(v)); } else { folded += v; }
    }
  }
  out[i] = Result(folded * p.factor);
}

// How many inputs equal the maximum.
@compute @workgroup_size(64)
fn ties(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * (groups.x * 64u);
  if (i >= p.outputs * p.stretches) { return; }
  let s = stretch_of(i);
  var count = 0.0;
  for (var r = s.first; r < s.end; r++) {
    count += select(0.0, 1.0, f32(x[s.base + reduced_offset(r)]) == maximum[s.output]);
  }
  out[i] = Result(count);
}

// Gradient of the maximum: dy shared evenly among the inputs that attain it. x and out: in the order of x.
// Here kept_* and reduced_* describe x as (…) over all its axes: kept_shape is x's, kept_strides those of the
// output, 0 along reduced axes.
@compute @workgroup_size(64)
fn max_backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * (groups.x * 64u);
  if (i >= p.outputs) { return; }
  let output = kept_offset(i);
  out[i] = Result(select(0.0, dy[output] / tied[output], f32(x[i]) == maximum[output]));
}
