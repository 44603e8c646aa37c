import { Gpu } from "../mod.ts";
import { follow, followsPyTorch } from "./_trajectory.ts";

// Every other way to compute: tests/long/trajectory_long_test.ts.
followsPyTorch({}, "what suits");
followsPyTorch({ half: true }, "float16");

Deno.test("200 steps follow PyTorch's within 1 %: the kernels of a GPU, or of a CPU on a GPU", async () => {
  using gpu = await Gpu.open();
  Object.assign(gpu, { isCpu: !gpu.isCpu, texelLimit: 0 });
  await follow(gpu, { checkpointing: false, half: false });
});
