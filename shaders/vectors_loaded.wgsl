// How a lane of attention_blocks.wgsl comes by the vectors of a row that all lanes need: it loads all of them. A part of that
// file.

fn own_k(at: u32, lane: u32) -> mat2x4f { return mat2x4f(); }
fn k_of(at: u32, own: mat2x4f, d: u32) -> vec4f { return vec4f(k[at + d]); }
fn own_v(at: u32, lane: u32) -> mat2x4f { return mat2x4f(); }
fn v_of(at: u32, own: mat2x4f, d: u32) -> vec4f { return vec4f(v[at + d]); }
fn own_q(at: u32, lane: u32) -> mat2x4f { return mat2x4f(); }
fn q_of(at: u32, own: mat2x4f, d: u32) -> vec4f { return vec4f(q[at + d]); }
fn own_d_out(at: u32, lane: u32) -> mat2x4f { return mat2x4f(); }
fn d_out_of(at: u32, own: mat2x4f, d: u32) -> vec4f { return vec4f(d_out[at + d]); }
