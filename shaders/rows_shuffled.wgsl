// How a lane of matmul_registers.wgsl comes by the rows of A: each of the eight lanes loads four, and they pass them on. A part
// of that file, for subgroups of eight. llvmpipe loads lane by lane, also what is the same for all, and passes on in a
// register.

fn own_rows(at: u32, lane: u32) -> vec4f { return load_a(at + 4u * lane * p.a_m); }

// Rows 4i … 4i + 3 of those that begin at `at`.
fn rows_of(at: u32, own: vec4f, i: u32) -> vec4f { return subgroupShuffle(own, i); }
