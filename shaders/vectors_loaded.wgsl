// How a lane of attention_blocks.wgsl comes by the vectors of a row that all lanes need, and by tiles: it loads all of them, and
// each workgroup has one. A part of that file.

fn take(here: Workgroup, lane: u32, left: ptr<function, u32>) -> u32 {
  let tile = select(p.workgroups, group_of(here), *left > 0u);
  *left = 0u;
  return tile;
}

fn own_k(at: u32, lane: u32) -> mat2x4f { return mat2x4f(); }
fn k_of(at: u32, own: mat2x4f, d: u32) -> vec4f { return vec4f(k[at + d]); }
fn own_v(at: u32, lane: u32) -> mat2x4f { return mat2x4f(); }
fn v_of(at: u32, own: mat2x4f, d: u32) -> vec4f { return vec4f(v[at + d]); }
fn own_q(at: u32, lane: u32) -> mat2x4f { return mat2x4f(); }
fn q_of(at: u32, own: mat2x4f, d: u32) -> vec4f { return vec4f(q[at + d]); }
fn own_d_out(at: u32, lane: u32) -> mat2x4f { return mat2x4f(); }
fn d_out_of(at: u32, own: mat2x4f, d: u32) -> vec4f { return vec4f(d_out[at + d]); }
