// How epilogue.wgsl stores four columns of a row: one by one, since N is no multiple of 4. A part of that file.

@group(0) @binding(10) var<storage, read_write> c: array<Result>;   // (batch, M, N)
@group(0) @binding(11) var<storage, read_write> pre: array<Real>;  // the same, with KEEP_PRE

fn store_c(at: u32, n: u32, v: vec4f) {
  if (n < p.N) { c[at] = Result(v.x); }
  if (n + 1u < p.N) { c[at + 1u] = Result(v.y); }
  if (n + 2u < p.N) { c[at + 2u] = Result(v.z); }
  if (n + 3u < p.N) { c[at + 3u] = Result(v.w); }
}
fn store_pre(at: u32, n: u32, v: vec4f) {
  if (n < p.N) { pre[at] = Real(v.x); }
  if (n + 1u < p.N) { pre[at + 1u] = Real(v.y); }
  if (n + 2u < p.N) { pre[at + 2u] = Real(v.z); }
  if (n + 3u < p.N) { pre[at + 3u] = Real(v.w); }
}
fn other_at(i: u32) -> f32 { return f32(other[i / 4u][i % 4u]); }
fn other_of(at: u32) -> vec4f { return vec4f(other_at(at), other_at(at + 1u), other_at(at + 2u), other_at(at + 3u)); }
