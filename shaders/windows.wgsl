// The last tokens of sequences, from what was written so far: ids[i, t] = history[end − counts[i] + t, rows[i]] for t below
// counts[i], and 0 after that; places[i] = T i + counts[i] − 1, the last of them. history: (tokens, B); ids: (n, T).

struct Params {
  n: u32,
  T: u32,
  B: u32,
  end: u32,  // row of history after the last token that is wanted
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> history: array<u32>;
@group(0) @binding(2) var<storage, read> rows: array<u32>;          // (n)
@group(0) @binding(3) var<storage, read> counts: array<u32>;        // (n), from 1 to T
@group(0) @binding(4) var<storage, read_write> ids: array<u32>;
@group(0) @binding(5) var<storage, read_write> places: array<u32>;  // (n)

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let at = id.x + id.y * (groups.x * 64u);
  if (at >= p.n * p.T) { return; }
  let i = at / p.T;
  let t = at % p.T;
  let count = counts[i];
  ids[at] = select(0u, history[(p.end - count + t) * p.B + rows[i]], t < count);
  if (t == 0u) { places[i] = i * p.T + count - 1u; }
}
