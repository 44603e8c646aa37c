// How a lane of matmul_registers.wgsl comes by the rows of A: it loads all of them. A part of that file.

fn own_rows(at: u32, lane: u32) -> vec4f { return vec4f(); }

// Rows 4i … 4i + 3 of those that begin at `at`.
fn rows_of(at: u32, own: vec4f, i: u32) -> vec4f { return load_a(at + 4u * i * p.a_m); }
