// How norm.wgsl reads and stores rows: by single channels. On GPUs neighbours should read neighbours. A part of that file.

alias Real = f32;  // or f16: what is stored; weights, their gradients and sums are f32
alias Part = f32;
alias Stored = Real;

// x, y, dy, dx: (rows, C); weight, bias: (C); d_weight, d_bias: (stretches, C).
@group(0) @binding(3) var<storage, read> x: array<Real>;
@group(0) @binding(4) var<storage, read> weight: array<f32>;
@group(0) @binding(5) var<storage, read> bias: array<f32>;  // anything, without BIAS
@group(0) @binding(6) var<storage, read_write> y: array<Real>;
@group(0) @binding(7) var<storage, read> dy: array<Real>;
@group(0) @binding(8) var<storage, read_write> dx: array<Real>;  // with ADD, what it holds is added to
@group(0) @binding(9) var<storage, read> dx_copy: array<Real>;   // that, with COPIED; otherwise anything
@group(0) @binding(10) var<storage, read_write> d_weight: array<f32>;
@group(0) @binding(11) var<storage, read_write> d_bias: array<f32>;

fn total(v: f32) -> f32 { return v; }
