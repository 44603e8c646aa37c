// Known answers of subgroups: out[l] = (size, number of the lane, what lane l xor 3 holds, what lane 5 holds).
// out: (8), by one workgroup of eight.

@group(0) @binding(0) var<storage, read_write> out: array<vec4u>;

@compute @workgroup_size(8)
fn main(
  @builtin(local_invocation_index) lane: u32,
  @builtin(subgroup_size) size: u32,
  @builtin(subgroup_invocation_id) id: u32,
) {
  let value = 100u + lane * lane;
  out[lane] = vec4u(size, id, subgroupShuffle(value, lane ^ 3u), subgroupShuffle(value, 5u));
}
