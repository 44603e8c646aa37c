// Workgroups of eight that take tiles one after another until none is left: llvmpipe shares out workgroups among its threads
// before they begin, so that one core waits for the other at the end. A part of files whose Params have `workgroups`, the number
// of tiles, and `share`, how many a workgroup takes at most.

@group(0) @binding(15) var<storage, read_write> tickets: array<atomic<u32>>;  // (2): taken, workgroups done; 0 between dispatches

// The next tile, or p.workgroups or more where there is none: then the workgroup is done, and the last one clears the counters.
fn take(here: Workgroup, lane: u32, left: ptr<function, u32>) -> u32 {
  var tile = p.workgroups;
  if (*left > 0u) {
    if (lane == 0u) { tile = atomicAdd(&tickets[0], 1u); }
    tile = subgroupShuffle(tile, 0u);
    *left -= 1u;
  }
  if (tile >= p.workgroups && lane == 0u && atomicAdd(&tickets[1], 1u) == here.groups.x * here.groups.y - 1u) {
    atomicStore(&tickets[0], 0u);
    atomicStore(&tickets[1], 0u);
  }
  return tile;
}
