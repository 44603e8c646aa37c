// How norm.wgsl reads and stores rows: by four channels, which C is a multiple of. On CPUs a load takes as long for four as for one. A part of that file.

alias Real = f32;  // or f16: what is stored; weights, their gradients and sums are f32
alias Part = vec4f;
alias Stored = vec4<Real>;

// x, y, dy, dx: (rows, C); weight, bias: (C); d_weight, d_bias: (stretches, C).
@group(0) @binding(3) var<storage, read> x: array<vec4<Real>>;
@group(0) @binding(4) var<storage, read> weight: array<vec4f>;
@group(0) @binding(5) var<storage, read> bias: array<vec4f>;  // anything, without BIAS
@group(0) @binding(6) var<storage, read_write> y: array<vec4<Real>>;
@group(0) @binding(7) var<storage, read> dy: array<vec4<Real>>;
@group(0) @binding(8) var<storage, read_write> dx: array<vec4<Real>>;  // with ADD, what it holds is added to
@group(0) @binding(9) var<storage, read> dx_copy: array<vec4<Real>>;   // that, with COPIED; otherwise anything
@group(0) @binding(10) var<storage, read_write> d_weight: array<vec4f>;
@group(0) @binding(11) var<storage, read_write> d_bias: array<vec4f>;

fn total(v: vec4f) -> f32 { return (v.x + v.y) + (v.z + v.w); }
