import { attentionVariants, Gpu, rowVariants } from "../mod.ts";
import { follow, followsPyTorch } from "./_trajectory.ts";

// All ways to compute products: tests/long/trajectory_long_test.ts.
followsPyTorch({}, "what suits");
followsPyTorch({ half: true }, "float16");
followsPyTorch({ checkpointing: true }, "activation checkpointing");
followsPyTorch({ optimizer: "grouped" }, "AdamW of several tensors at a time");
followsPyTorch({ product: "registers" }, "products by registers");
for (const rows of rowVariants) followsPyTorch({ rows }, `rows by ${rows}`);
for (const attention of attentionVariants) followsPyTorch({ attention }, `attention by ${attention}`);

Deno.test("200 steps follow PyTorch's within 1 %: the kernels of a GPU, or of a CPU on a GPU", async () => {
  using gpu = await Gpu.open();
  Object.defineProperty(gpu, "isCpu", { value: !gpu.isCpu });
  await follow(gpu, { checkpointing: false, half: false });
});

Deno.test("200 steps follow PyTorch's within 1 %: without subgroups", async () => {
  using gpu = await Gpu.open();
  gpu.hasSubgroupsOf8 = false;
  await follow(gpu, { checkpointing: false, half: false });
});
