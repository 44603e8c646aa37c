// How a lane of attention_blocks.wgsl comes by the vectors of a row that all lanes need: each of eight lanes loads one, or two of
// more than eight, and they pass them on. A part of that file, for subgroups of eight and rows of up to sixteen vectors.

fn place(lane: u32) -> u32 { return min(lane, VECTORS - 1u); }

fn own_k(at: u32, lane: u32) -> mat2x4f {
  var own = mat2x4f(vec4f(k[at + place(lane)]), vec4f());
  if (VECTORS > 8u) { own[1] = vec4f(k[at + place(lane + 8u)]); }
  return own;
}
fn k_of(at: u32, own: mat2x4f, d: u32) -> vec4f { return subgroupShuffle(own[d / 8u], d % 8u); }

fn own_v(at: u32, lane: u32) -> mat2x4f {
  var own = mat2x4f(vec4f(v[at + place(lane)]), vec4f());
  if (VECTORS > 8u) { own[1] = vec4f(v[at + place(lane + 8u)]); }
  return own;
}
fn v_of(at: u32, own: mat2x4f, d: u32) -> vec4f { return subgroupShuffle(own[d / 8u], d % 8u); }

fn own_q(at: u32, lane: u32) -> mat2x4f {
  var own = mat2x4f(vec4f(q[at + place(lane)]), vec4f());
  if (VECTORS > 8u) { own[1] = vec4f(q[at + place(lane + 8u)]); }
  return own;
}
fn q_of(at: u32, own: mat2x4f, d: u32) -> vec4f { return subgroupShuffle(own[d / 8u], d % 8u); }

fn own_d_out(at: u32, lane: u32) -> mat2x4f {
  var own = mat2x4f(vec4f(d_out[at + place(lane)]), vec4f());
  if (VECTORS > 8u) { own[1] = vec4f(d_out[at + place(lane + 8u)]); }
  return own;
}
fn d_out_of(at: u32, own: mat2x4f, d: u32) -> vec4f { return subgroupShuffle(own[d / 8u], d % 8u); }
