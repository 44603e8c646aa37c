import { prepareEncoder } from "./encode_batch.ts";
import { serve } from "./worker_pool.ts";

serve(prepareEncoder);
