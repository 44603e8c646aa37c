// What attention_blocks.wgsl and attention_tiles.wgsl have in common: parameters, bindings, the mask of dropout and the causal
// one. A part of both. The strides are those of attention_rows.wgsl, with vec4s for elements.

alias Real = f32;  // or f16: what is stored; scores and sums are f32

struct Params {
  heads: u32,       // H
  Tq: u32,
  Tk: u32,
  tiles: u32,       // workgroups of a head
  workgroups: u32,  // in all: in attention_blocks.wgsl tiles, of which a workgroup takes `share` at most
  share: u32,
  q_batch: u32, q_head: u32, q_token: u32, q_offset: u32,
  kv_batch: u32, kv_head: u32, kv_token: u32, k_offset: u32, v_offset: u32,
  o_batch: u32, o_head: u32, o_token: u32,
  dk_offset: u32, dv_offset: u32,
  scale: f32,
  drop: f32, seed: u32, seed_high: u32, counter: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> q: array<vec4<Real>>;
@group(0) @binding(2) var<storage, read> k: array<vec4<Real>>;
@group(0) @binding(3) var<storage, read> v: array<vec4<Real>>;
@group(0) @binding(4) var<storage, read_write> o: array<vec4<Real>>;
@group(0) @binding(5) var<storage, read_write> lse: array<f32>;     // (B, H, Tq)
@group(0) @binding(6) var<storage, read> out: array<vec4<Real>>;         // o, once it is computed
@group(0) @binding(7) var<storage, read> log_sum_exp: array<vec4f>; // lse, likewise
@group(0) @binding(8) var<storage, read> d_out: array<vec4<Real>>;
@group(0) @binding(9) var<storage, read_write> d_sums: array<f32>;  // D, (B, H, Tq)
@group(0) @binding(10) var<storage, read> d_sums_in: array<vec4f>;   // D, once it is computed
@group(0) @binding(11) var<storage, read_write> d_q: array<vec4<Real>>;
@group(0) @binding(12) var<storage, read_write> d_kv: array<vec4<Real>>;

override CAUSAL: bool = true;
override DROPOUT: bool = false;

const LOWEST: f32 = -3.0e38;

fn log_sum_exp_of(row: u32) -> f32 { return log_sum_exp[row / 4u][row % 4u]; }
fn d_sum_of(row: u32) -> f32 { return d_sums_in[row / 4u][row % 4u]; }

// 0, or 1 / (1 − drop), for the probability of one query and key: the same in all passes.
fn factor(index: u32) -> f32 {
  if (!DROPOUT) { return 1.0; }
  let draw = f32(pcg4d(vec4u(p.seed, p.seed_high, p.counter, index)).x >> 8u) * 0x1p-24;
  return select(0.0, 1.0 / (1.0 - p.drop), draw >= p.drop);
}

// Where a batch's head begins, of both together: among queries; keys, values and their gradients, without their offsets; outputs.
fn q_of_head(bh: u32) -> u32 { return p.q_offset + bh / p.heads * p.q_batch + bh % p.heads * p.q_head; }
fn kv_of_head(bh: u32) -> u32 { return bh / p.heads * p.kv_batch + bh % p.heads * p.kv_head; }
fn o_of_head(bh: u32) -> u32 { return bh / p.heads * p.o_batch + bh % p.heads * p.o_head; }

// How many keys query i sees: with as many queries as keys, those up to its own place.
fn keys_of(i: u32) -> u32 {
  return select(p.Tk, min(i + 1u + p.Tk - p.Tq, p.Tk), CAUSAL);
}
