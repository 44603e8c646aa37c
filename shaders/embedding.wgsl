// forward:  y[i, c] = weight[ids[i], c], with POSITIONS + positions[i mod T, c]; NaN where ids[i] is no row of weight.
// backward: dweight[v, c] = Σ_{i: ids[i] = v} dy[i, c], in order of i, without atomics. `link` chains the places of
// each id: after[i] is the next place of the same id, or N; first[i] tells whether there is none before. Then one
// invocation per place and four channels walks the chain, if its place is the first; all other rows are zeroed before.
// weight: (V, C); ids: (N); y, dy: (N, C). link compares each place with those around it until it finds its own id.

struct Params {
  N: u32,
  V: u32,
  C: u32,
  first: u32,  // the rows of weight and d_weight that are bound: `count` from `first` on
  count: u32,
  T: u32,      // places of a sequence
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> ids: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read_write> links: array<vec2u>;     // (N) of (after, first)
@group(0) @binding(5) var<storage, read> chains: array<vec2u>;          // links, once they are computed
@group(0) @binding(6) var<storage, read> dy: array<f32>;
@group(0) @binding(7) var<storage, read_write> d_weight: array<f32>;
@group(0) @binding(8) var<storage, read> positions: array<f32>;        // (T, C), with POSITIONS

override POSITIONS: bool = false;

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * (groups.x * 64u);
  let quads = (p.C + 3u) / 4u;
  let place = i / quads;
  if (place >= p.N) { return; }
  let row = ids[place];
  let first = 4u * (i % quads);
  for (var c = first; c < min(first + 4u, p.C); c++) {
    let at = place * p.C + c;
    if (row - p.first < p.count) {
      var v = weight[(row - p.first) * p.C + c];
      if (POSITIONS) { v += positions[(place % p.T) * p.C + c]; }
      y[at] = v;
    } else if (row >= p.V) {
      y[at] = bitcast<f32>(0x7fc00000u | (p.V & 1u));
    }
  }
}

@compute @workgroup_size(64)
fn link(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * (groups.x * 64u);
  if (i >= p.N) { return; }
  let row = ids[i];
  var after = i + 1u;
  while (after < p.N && ids[min(after, p.N - 1u)] != row) { after++; }
  var before = i;
  while (before > 0u && ids[before - 1u] != row) { before--; }
  links[i] = vec2u(after, select(0u, 1u, before == 0u));
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * (groups.x * 64u);
  let quads = (p.C + 3u) / 4u;
  var place = i / quads;
  if (place >= p.N) { return; }
  let row = ids[place];
  if (chains[place].y == 0u || row - p.first >= p.count) { return; }
  let first = 4u * (i % quads);
  let last = vec4u(p.C - 1u);
  let channels = min(vec4u(first, first + 1u, first + 2u, first + 3u), last);
  var sum = vec4f();
  while (place < p.N) {
    let at = vec4u(place * p.C) + channels;
    sum += vec4f(dy[at.x], dy[at.y], dy[at.z], dy[at.w]);
    place = chains[place].x;
  }
  for (var c = first; c < min(first + 4u, p.C); c++) { d_weight[(row - p.first) * p.C + c] = sum[c - first]; }
}
