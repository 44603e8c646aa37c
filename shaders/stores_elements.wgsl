// How epilogue.wgsl stores four columns of a row: one by one, since N is no multiple of 4. A part of that file.

@group(0) @binding(10) var<storage, read_write> c: array<Result>;   // (batch, M, N)
@group(0) @binding(11) var<storage, read_write> pre: array<Real>;  // the same, with KEEP_PRE

fn store_c(at: u32, columns: u32, v: vec4f) {
  if (columns > 0u) { c[at] = Result(v.x); }
  if (columns > 1u) { c[at + 1u] = Result(v.y); }
  if (columns > 2u) { c[at + 2u] = Result(v.z); }
  if (columns > 3u) { c[at + 3u] = Result(v.w); }
}
fn store_pre(at: u32, columns: u32, v: vec4f) {
  if (columns > 0u) { pre[at] = Real(v.x); }
  if (columns > 1u) { pre[at + 1u] = Real(v.y); }
  if (columns > 2u) { pre[at + 2u] = Real(v.z); }
  if (columns > 3u) { pre[at + 3u] = Real(v.w); }
}
fn other_at(i: u32) -> f32 { return f32(other[i / 4u][i % 4u]); }
fn other_of(at: u32) -> vec4f { return vec4f(other_at(at), other_at(at + 1u), other_at(at + 2u), other_at(at + 3u)); }
