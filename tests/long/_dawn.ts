import { create, globals } from "webgpu";

/**
 * Has Dawn, the WebGPU of Chromium, compile kernels for no device: a list of `{ label, code, entryPoint, constants }` comes on
 * standard input, how many were compiled and what was refused goes out. A device has 8 storage buffers, as WebGPU promises.
 */
const kernels = await new Response(Deno.stdin.readable).json();
const dawn = create(["backend=null"]), adapter = await dawn.requestAdapter();
Object.assign(globalThis, globals, { dawn }); // kept until the end: what it makes does not outlive it
const device = await adapter!.requestDevice({ requiredFeatures: ["shader-f16"] });
const refused: string[] = [];
for (const { label, code, entryPoint, constants } of kernels) {
  device.pushErrorScope("validation");
  const module = device.createShaderModule({ code });
  const { messages } = await module.getCompilationInfo();
  const bindsMany = label.startsWith("adamw_grouped"); // which is used where an adapter allows it
  if (messages.length === 0 && !bindsMany) {
    device.createComputePipeline({ layout: "auto", compute: { module, entryPoint, constants } });
  }
  const error = await device.popErrorScope(), what = messages.map(({ message }) => message).join("; ");
  if (error || what) refused.push(`${label}: ${what || error!.message.split("\n")[0]}`);
}
console.log(JSON.stringify({ compiled: kernels.length, refused }));
Deno.exit();
