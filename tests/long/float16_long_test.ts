import { productVariants, selfAttention } from "../../mod.ts";
import { checkHalf, checkHalfProducts, key } from "../_check_half.ts";

for (const product of productVariants) if (product.startsWith("registers")) checkHalfProducts(product);

for (const [attention, D] of [["blocks", 48], ["blocks", 64], ["blocks, shuffled", 48]] as const) {
  checkHalf(`attention by ${attention} (1,1,33,${D})`, {
    halves: [[1, 33, 3 * D]],
    run: ([qkv]) => selfAttention(qkv, 1, { dropout: { p: 0.2, key } }),
    forced: { attention },
  });
}
