// Which workgroup this is. A part of the shaders that count workgroups, whose grid may be folded into two dimensions. It holds
// nothing else: what belongs to an invocation would make all of it, for compilers, differ between those of a workgroup, which then
// may not meet at barriers.

struct Workgroup {
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) groups: vec3u,
}

// Its number.
fn group_of(here: Workgroup) -> u32 { return here.id.x + here.id.y * here.groups.x; }
