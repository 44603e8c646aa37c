import { serve } from "../worker_pool.ts";
import { prepareCleaner } from "./clean_batch.ts";

serve(prepareCleaner);
