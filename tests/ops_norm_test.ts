import { assertThrows } from "@std/assert";
import { fill, layerNorm, rmsNorm, Scope, WeftError } from "../mod.ts";
import { checkOp, checkPastLimit, gpuTest } from "./_check_op.ts";
import * as ref from "./_reference.ts";

for (const shape of [[1, 1], [5, 3], [2, 3, 65], [130, 12], [1, 257]]) {
  const C = shape.at(-1)!, parameter = { shape: [C], range: [0.5, 1.5] as const };
  // One element has no variance of its own: the gradient is nearly 0 and only its size is compared.
  checkOp(`layer norm of (${shape})`, {
    inputs: [{ shape }, parameter],
    run: (x, weight) => layerNorm(x, weight),
    reference: (x, weight) => ref.layerNorm(x, weight),
  });
  checkOp(`layer norm of (${shape}) with bias`, {
    inputs: [{ shape }, parameter, { shape: [C] }],
    run: (x, weight, bias) => layerNorm(x, weight, bias),
    reference: (x, weight, bias) => ref.layerNorm(x, weight, bias),
  });
  checkOp(`RMS norm of (${shape})`, {
    inputs: [{ shape }, parameter],
    run: (x, weight) => rmsNorm(x, weight),
    reference: (x, weight) => ref.rmsNorm(x, weight),
    tolerance: [2e-6, 5e-5],
  });
  checkOp(`RMS norm of (${shape}) with bias`, {
    inputs: [{ shape }, parameter, { shape: [C] }],
    run: (x, weight, bias) => rmsNorm(x, weight, bias, 1e-3),
    reference: (x, weight, bias) => ref.rmsNorm(x, weight, bias, 1e-3),
    tolerance: [2e-6, 5e-5],
  });
}
for (const shape of [[5, 3], [2, 3, 65], [70, 64], [3, 300]]) {
  const C = shape.at(-1)!, parameter = { shape: [C], range: [0.5, 1.5] as const }, forced = { rows: "shared" };
  checkOp(`layer norm of (${shape}) by workgroups`, {
    inputs: [{ shape }, parameter, { shape: [C] }],
    run: (x, weight, bias) => layerNorm(x, weight, bias),
    reference: (x, weight, bias) => ref.layerNorm(x, weight, bias),
    forced,
  });
  checkOp(`RMS norm of (${shape}) by workgroups`, {
    inputs: [{ shape }, parameter],
    run: (x, weight) => rmsNorm(x, weight),
    reference: (x, weight) => ref.rmsNorm(x, weight),
    tolerance: [2e-6, 5e-5],
    forced,
  });
}
checkOp("layer norm of rows far from zero", {
  inputs: [{ shape: [4, 33], range: [100, 101] }, { shape: [33] }],
  run: (x, weight) => layerNorm(x, weight),
  reference: (x, weight) => ref.layerNorm(x, weight),
  tolerance: [5e-5, 1e-3],
});

for (const [name, norm] of [["layer norm", layerNorm], ["RMS norm", rmsNorm]] as const) {
  checkPastLimit(name, [3, 2], 3, (x) => norm(x, fill(x.gpu, [2], 2)));
  checkPastLimit(`${name} with bias`, [3, 2], 3, (x) => norm(x, fill(x.gpu, [2], 2), fill(x.gpu, [2], 1)));
}

gpuTest("a weight of another length is named", (gpu) => {
  using _ = new Scope(gpu);
  const error = "Cannot run layerNorm as weight is (4): it must be (5)";
  assertThrows(() => layerNorm(fill(gpu, [3, 5], 0), fill(gpu, [4], 1)), WeftError, error);
  return Promise.resolve();
});
