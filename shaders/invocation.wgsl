// Which invocation this is. A part of the shaders that count workgroups, whose grid may be folded into two dimensions.

struct Invocation {
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
}

// The number of its workgroup.
fn group_of(here: Invocation) -> u32 { return here.workgroup.x + here.workgroup.y * here.groups.x; }
