// A hash of four words into four (Jarzynski & Olano, "Hash Functions for GPU Rendering", 2020): random numbers that are
// a function of seed, counter and index. A part of the shaders that draw.

fn pcg4d(seed: vec4u) -> vec4u {
  var s = seed * 1664525u + 1013904223u;
  s.x += s.y * s.w; s.y += s.z * s.x; s.z += s.x * s.y; s.w += s.y * s.z;
  s ^= s >> vec4u(16u);
  s.x += s.y * s.w; s.y += s.z * s.x; s.z += s.x * s.y; s.w += s.y * s.z;
  return s;
}
