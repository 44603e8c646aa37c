// How a lane of attention_blocks.wgsl comes by the vectors of a row that all lanes need: each of eight lanes loads one, and
// they pass them on. A part of that file, for subgroups of eight and rows of up to eight vectors.

fn own_k(at: u32, lane: u32) -> vec4f { return vec4f(k[at + min(lane, VECTORS - 1u)]); }
fn k_of(at: u32, own: vec4f, d: u32) -> vec4f { return subgroupShuffle(own, d); }
fn own_v(at: u32, lane: u32) -> vec4f { return vec4f(v[at + min(lane, VECTORS - 1u)]); }
fn v_of(at: u32, own: vec4f, d: u32) -> vec4f { return subgroupShuffle(own, d); }
fn own_q(at: u32, lane: u32) -> vec4f { return vec4f(q[at + min(lane, VECTORS - 1u)]); }
fn q_of(at: u32, own: vec4f, d: u32) -> vec4f { return subgroupShuffle(own, d); }
fn own_d_out(at: u32, lane: u32) -> vec4f { return vec4f(d_out[at + min(lane, VECTORS - 1u)]); }
fn d_out_of(at: u32, own: vec4f, d: u32) -> vec4f { return subgroupShuffle(own, d); }
