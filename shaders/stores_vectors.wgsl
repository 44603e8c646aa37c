// How epilogue.wgsl stores four columns of a row: as a vec4, since N is a multiple of 4. A part of that file.

@group(0) @binding(10) var<storage, read_write> c: array<vec4<Result>>;   // (batch, M, N)
@group(0) @binding(11) var<storage, read_write> pre: array<vec4<Real>>;  // the same, with KEEP_PRE

fn store_c(at: u32, columns: u32, v: vec4f) {
  if (columns > 0u) { c[at / 4u] = vec4<Result>(v); }
}
fn store_pre(at: u32, columns: u32, v: vec4f) {
  if (columns > 0u) { pre[at / 4u] = vec4<Real>(v); }
}
fn other_of(at: u32) -> vec4f { return vec4f(other[at / 4u]); }
