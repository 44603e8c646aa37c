import { assertEquals, assertThrows } from "@std/assert";
import { WeftError } from "../mod.ts";
import { readYamlConfig } from "../cli/yaml_config.ts";
import { nearestName } from "../train/nearest_name.ts";
import { describeOptions } from "../train/options.ts";
import { configMarkdown, cpuPreset, gpuPreset, resolveTrainConfig, trainOptions } from "../train/train_config.ts";

const resolve = (values: Record<string, unknown>) => resolveTrainConfig([{ source: "flags", values }]);

Deno.test("later layers lie over earlier ones, and flags are given types", () => {
  const config = resolveTrainConfig([
    { source: "a.yaml", values: { n_layer: 6, bias: true, dataset: "x.txt" } },
    {
      source: "command line",
      values: { n_layer: "2", learning_rate: "3e-4", max_iters: "5_000", bias: "False" },
    },
  ]);
  assertEquals([config.n_layer, config.learning_rate, config.max_iters, config.bias], [2, 3e-4, 5000, false]);
  assertEquals([config.dataset, config.block_size], ["x.txt", 64]);
});

const bad: [Record<string, unknown>, string][] = [
  [{ n_layr: 2 }, "flags: n_layr is not known; did you mean n_layer?"],
  [{ zzzzzzzzzzzz: 2 }, "flags: zzzzzzzzzzzz is not known"],
  [{ block_size: 0 }, "flags: block_size is 0: it must be a whole number from 1"],
  [{ block_size: "many" }, 'flags: block_size is "many": it must be a whole number from 1'],
  [{ block_size: 1.5 }, "flags: block_size is 1.5: it must be a whole number from 1"],
  [{ dropout: 1 }, "flags: dropout is 1: it must be a number from 0 to below 1"],
  [{ bias: "yes" }, 'flags: bias is "yes": it must be true or false'],
  [{ bias: 1 }, "flags: bias is 1: it must be true or false"],
  [{ learning_rate: null }, "flags: learning_rate is null: it must be a number from 0"],
  [{ activation: "relu" }, 'flags: activation is "relu": it must be one of gelu_tanh, gelu_erf'],
  [{ out_dir: 5 }, "flags: out_dir is 5: it must be a text"],
  [{ n_embd: 130 }, "n_embd is 130, which is not divisible by n_head, 4; the nearest that is: 132"],
  [{ lr_decay_iters: 50 }, "lr_decay_iters is 50: it must not be below warmup_iters, 100"],
  [{ dtype: "float8" }, 'flags: dtype is "float8": it must be one of float32, float16'],
  [{ dtype: "float16", model: "bigram" }, "dtype is float16, which the bigram model does not have: it must be float32"],
  [{ min_lr: 1 }, "min_lr is 1: it must not be above learning_rate, 0.001"],
];
for (const [values, message] of bad) {
  Deno.test(`the configuration ${JSON.stringify(values)} is refused`, () => {
    const error = assertThrows(() => resolve(values), WeftError) as WeftError;
    assertEquals(error.message.startsWith(message), true, error.message);
  });
}

Deno.test("the presets are the YAML files in examples/", async () => {
  for (const [name, preset] of [["shakespeare_cpu", cpuPreset], ["shakespeare_gpu", gpuPreset]] as const) {
    const values = await readYamlConfig(new URL(`../examples/${name}.yaml`, import.meta.url).pathname);
    const { dataset: _, out_dir: __, ...rest } = resolve(values);
    const { dataset: ___, out_dir: ____, ...expected } = resolve(preset);
    assertEquals(rest, expected);
  }
});

Deno.test("help names every key with its default", () => {
  const lines = describeOptions(trainOptions).split("\n");
  assertEquals(lines.length, Object.keys(trainOptions).length);
  assertEquals(
    lines.find((line) => line.includes("--block_size="))?.endsWith(
      "longest context, in tokens; a whole number from 1 [64]",
    ),
    true,
  );
});

Deno.test("what is left out is nanoGPT's model for a CPU, which the preset trains at three times its rate", () => {
  const preset = resolve({});
  assertEquals(resolve(cpuPreset), { ...preset, learning_rate: 3e-3 });
  const { n_layer, n_head, n_embd, block_size, batch_size, dropout, bias } = preset;
  assertEquals([n_layer, n_head, n_embd, block_size, batch_size, dropout, bias], [4, 4, 128, 64, 12, 0, false]);
  const { learning_rate, min_lr, max_iters, lr_decay_iters, warmup_iters, beta2 } = preset;
  assertEquals(
    [learning_rate, min_lr, max_iters, lr_decay_iters, warmup_iters, beta2],
    [1e-3, 1e-4, 2000, 2000, 100, 0.99],
  );
});

Deno.test("the table for the README has every key", () => {
  const lines = configMarkdown().split("\n");
  assertEquals(lines.length, Object.keys(trainOptions).length + 2);
  assertEquals(lines[0], "| key | default | allowed | meaning |");
  assertEquals(
    lines.find((line) => line.startsWith("| `dropout` ")),
    "| `dropout` | `0` | a number from 0 to below 1 | probability of dropout while training |",
  );
  for (const line of lines) assertEquals(line.match(/(?<!\\)\|/g)?.length, 5, line);
});

Deno.test("the nearest name is near", () => {
  assertEquals(nearestName("batchsize", ["batch_size", "block_size"]), "batch_size");
  assertEquals(nearestName("lr", ["learning_rate", "bias"]), undefined);
});

Deno.test("YAML files that are missing, broken or no mapping are refused", async () => {
  const { assertRejects } = await import("@std/assert");
  const path = await Deno.makeTempFile({ suffix: ".yaml" });
  const read = async (text: string) => {
    await Deno.writeTextFile(path, text);
    return await readYamlConfig(path);
  };
  assertEquals(await read("n_layer: 2\nlearning_rate: 1e-3\nbias: false # no\n"), {
    n_layer: 2,
    learning_rate: 1e-3,
    bias: false,
  });
  assertEquals(await read(""), {});
  await assertRejects(() => read("a: [1"), WeftError, "is not YAML");
  await assertRejects(() => read("a: 1\na: 2"), WeftError, "is not YAML");
  await assertRejects(() => read("- 1"), WeftError, "must consist of");
  await Deno.remove(path);
  await assertRejects(() => readYamlConfig(path), WeftError, "does not exist");
});
