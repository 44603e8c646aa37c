import { attentionVariants, Gpu, loadVariants, productVariants, rowVariants } from "../../mod.ts";
import { follow, followsPyTorch } from "../_trajectory.ts";

followsPyTorch({ checkpointing: true }, "activation checkpointing");
followsPyTorch({ optimizer: "single" }, "AdamW of one tensor at a time");
for (const product of productVariants) followsPyTorch({ product }, `products by ${product}`);
for (const rows of rowVariants) followsPyTorch({ rows }, `rows by ${rows}`);
for (const loads of loadVariants) followsPyTorch({ loads }, `vec4s from ${loads}`);
for (const attention of attentionVariants) followsPyTorch({ attention }, `attention by ${attention}`);
for (const product of ["registers", "workgroup 2×2", "vector"]) {
  followsPyTorch(
    { half: true, checkpointing: true, product, attention: "tiles", rows: "shared" },
    `float16, products by ${product}, attention by tiles`,
  );
}

Deno.test("200 steps follow PyTorch's within 1 %: without subgroups", async () => {
  using gpu = await Gpu.open();
  gpu.hasSubgroupsOf8 = false;
  await follow(gpu, { checkpointing: false, half: false });
});
