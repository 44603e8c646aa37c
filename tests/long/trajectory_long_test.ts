import { productVariants } from "../../mod.ts";
import { followsPyTorch } from "../_trajectory.ts";

for (const product of productVariants) followsPyTorch({ product }, `products by ${product}`);
for (const product of ["registers, shuffled", "workgroup 2×2", "vector"]) {
  followsPyTorch(
    { half: true, checkpointing: true, product, attention: "tiles", rows: "shared" },
    `float16, products by ${product}, attention by tiles`,
  );
}
