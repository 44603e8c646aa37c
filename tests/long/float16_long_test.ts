import { productVariants, selfAttention } from "../../mod.ts";
import { checkHalf, checkHalfProducts, key } from "../_check_half.ts";

for (const product of productVariants) if (product.startsWith("registers")) checkHalfProducts(product);

checkHalf("attention by blocks (1,1,33,64)", {
  halves: [[1, 33, 3 * 64]],
  run: ([qkv]) => selfAttention(qkv, 1, { dropout: { p: 0.2, key } }),
  forced: { attention: "blocks" },
});
