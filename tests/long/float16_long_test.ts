import { productVariants } from "../../mod.ts";
import { checkHalfProducts } from "../_check_half.ts";

for (const product of productVariants) if (product.startsWith("registers")) checkHalfProducts(product);
