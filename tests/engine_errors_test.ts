import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { defineShader, empty, gelu, Gpu, loadVariants, randomNormals, run, Scope, tensor, WeftError } from "../mod.ts";
import { force, gpuTest } from "./_check_op.ts";

const [geluSource, geluCurve] = await Promise.all(
  ["gelu", "gelu_curve"].map((name) => Deno.readTextFile(new URL(`../shaders/${name}.wgsl`, import.meta.url))),
);

Deno.test("a shader of a built-in's name takes its place", async () => {
  const doubled = geluSource.replace("vec4<Real>(v * gelu_cdf(v, TANH))", "vec4<Real>(2.0 * v)");
  using gpu = await Gpu.open({ shaders: { "gelu.wgsl": doubled } });
  assertEquals([...await gelu(tensor(gpu, [1, -3])).read()], [2, -6]);
});

Deno.test("a replacement that replaces nothing is an error that names the shaders", async () => {
  const error = await assertRejects(() => Gpu.open({ shaders: { "gleu.wgsl": "" } }), WeftError);
  assertEquals(
    error.message.startsWith("No shader is named gleu.wgsl; the shaders are adamw.wgsl, "),
    true,
    error.message,
  );
});

Deno.test("a shader that does not compile is named with its line and column", async () => {
  const broken = geluSource.replace("v * gelu_cdf(v, TANH)", "v * gelu_cdf(w, TANH)");
  const lines = broken.split("\n"), line = lines.findIndex((text) => text.includes("(w,")) + 1;
  const column = lines[line - 1].indexOf("(w,") + 2; // of w, counted from 1
  using gpu = await Gpu.open({ shaders: { "gelu.wgsl": broken } });
  const error = await assertRejects(() => gelu(tensor(gpu, [1])).read(), WeftError);
  assertEquals(error.message.startsWith(`gelu.wgsl:${line}:${column}: `), true, error.message);
  assertEquals(error.message.endsWith(": out[i] = vec4<Real>(v * gelu_cdf(w, TANH));"), true, error.message);
});

Deno.test("an error in a part that a shader builds on is named with that file's line", async () => {
  const curve = await Deno.readTextFile(new URL("../shaders/gelu_curve.wgsl", import.meta.url));
  const broken = curve.replace("let bell = exp(-0.5 * v * v);", "let bell = exp(-0.5 * w * v);");
  const line = broken.split("\n").findIndex((text) => text.includes(" w ")) + 1;
  using gpu = await Gpu.open({ shaders: { "gelu_curve.wgsl": broken } });
  const error = await assertRejects(() => gelu(tensor(gpu, [1])).read(), WeftError);
  assertEquals(error.message.startsWith(`gelu_curve.wgsl:${line}:`), true, error.message);
});

Deno.test("a kernel that computes nothing fails the self-test", async () => {
  const source = await Deno.readTextFile(new URL("../shaders/self_test.wgsl", import.meta.url));
  for (const [what, broken] of [["integer hash", "1664526u"], ["exp and tanh", ""]]) {
    const wrong = broken ? source.replace("1664525u", broken) : source.replace("exp(x) + tanh(x)", "exp(x)");
    const error = await assertRejects(() => Gpu.open({ shaders: { "self_test.wgsl": wrong } }), WeftError);
    assertEquals(
      error.message.startsWith(`The GPU computes wrongly: self-test "${what}" gave`),
      true,
      error.message,
    );
  }
});

Deno.test("without an adapter the message says what to install", async () => {
  const open = `import { Gpu } from "${new URL(
    "../mod.ts",
    import.meta.url,
  )}"; await Gpu.open().catch((e) => console.log(e.message));`;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", open],
    env: {
      DENO_WEBGPU_BACKEND: "vulkan",
      VK_DRIVER_FILES: "/dev/null",
      VK_ICD_FILENAMES: "/dev/null",
      NO_COLOR: "1",
    },
  }).output();
  const text = new TextDecoder().decode(stdout);
  if (Deno.build.os === "linux") {
    assertEquals(
      text.trim(),
      "No GPU adapter was found: on Debian or Ubuntu `apt-get install mesa-vulkan-drivers` brings a driver that runs on the CPU",
    );
  }
});

gpuTest("errors of the GPU itself reach the next read", async () => {
  using gpu = await Gpu.open();
  gpu.device.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.STORAGE }); // not allowed together
  await assertRejects(() => tensor(gpu, [1]).read(), WeftError, "The GPU reports: ");
});

gpuTest("a tensor that is written and read in one dispatch is an error", (gpu) => {
  using _ = new Scope(gpu);
  const x = tensor(gpu, [1, 2, 3, 4]), shader = defineShader("gelu.wgsl", geluSource + geluCurve);
  const launch = { threads: 1, params: { size: 4 }, constants: { TANH: 1 } };
  for (const loads of loadVariants) { // not even where it would be read from a texture
    using _forced = force(gpu, { loads });
    assertThrows(
      () => run(shader, "forward", { x, out: x }, launch),
      WeftError,
      "gelu.wgsl/forward writes out and reads it as x: they must be two tensors",
    );
  }
  const out = empty(gpu, [4]);
  assertThrows(
    () => run(shader, "forward", { y: x, out }, launch),
    WeftError,
    "gelu.wgsl/forward has no storage buffer named y",
  );
  assertThrows(
    () => run(shader, "forwards", { x, out }, launch),
    WeftError,
    "no compute entry point of that name",
  );
  assertThrows(
    () => run(shader, "forward", { x, out }, { ...launch, params: { sise: 4 } }),
    WeftError,
    "parameter size",
  );
  assertThrows(
    () => run(shader, "forward", { x, out }, { ...launch, params: {} }),
    WeftError,
    "takes the parameters (size)",
  );
  assertThrows(
    () => run(shader, "forward", { x, out }, { ...launch, constants: { TANG: 1 } }),
    WeftError,
    "neither an override nor a tunable constant named TANG",
  );
  return Promise.resolve();
});

gpuTest("a tensor's elements must be those of its shape", (gpu) => {
  using _ = new Scope(gpu);
  assertThrows(
    () => tensor(gpu, [1, 2, 3], [2, 2]),
    WeftError,
    "Cannot make tensor of shape (2, 2) from 3 elements: it has 4",
  );
  assertThrows(() => tensor(gpu, [1], [-1]), WeftError, "dimensions are whole numbers from 0");
  return Promise.resolve();
});

gpuTest("a profile counts the dispatches of each kernel and their time", async (gpu) => {
  using _ = new Scope(gpu);
  const x = tensor(gpu, randomNormals(100_000, { seed: 1, stream: 0 }));
  await gelu(x).read(); // compiles
  const times = await gpu.profile(() => {
    for (let i = 0; i < 3; i++) gelu(x);
  });
  assertEquals(times.map(({ kernel, dispatches }) => [kernel, dispatches]), [["gelu.wgsl/forward", 3]]);
  assertEquals(times[0].milliseconds > 0.01 && times[0].milliseconds < 1000, true);
  const copies = (await gpu.profile(() => {
    const y = gelu(x);
    for (let i = 0; i < 3; i++) gelu(y); // which is copied once, where kernels read textures
  })).filter(({ kernel }) => kernel === "copy to texture").map(({ dispatches }) => dispatches);
  assertEquals(copies, gpu.texelLimit > 0 ? [1] : []);
  assertEquals((await gelu(x).read()).length, 100_000); // and work goes on afterwards
});

gpuTest("loops past the driver's limit are refused, where it has one", async (gpu) => {
  const { attention, fill, layerNorm, softmax } = await import("../mod.ts");
  using _ = new Scope(gpu);
  const wide = fill(gpu, [1, 50_257], 0); // GPT-2's vocabulary must do
  const [first] = await softmax(wide).read();
  assertEquals(Math.abs(first * 50_257 - 1) < 1e-4, true);
  if (gpu.loopLimit === Infinity) return;
  assertThrows(() => layerNorm(fill(gpu, [1, 21_845], 0), fill(gpu, [21_845], 1)), WeftError, "this driver stops at");
  const x = fill(gpu, [1, 1, 978, 132], 0); // too wide for any other way
  assertThrows(() => attention(x, x, x), WeftError, "Cannot run attention_rows.wgsl/forward on llvmpipe");
});
