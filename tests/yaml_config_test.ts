import { assertRejects } from "@std/assert";
import { readYamlConfig } from "../cli/yaml_config.ts";
import { WeftError } from "../engine/weft_error.ts";

Deno.test("what is wrong with a YAML file is said in one line with its place", async () => {
  const path = await Deno.makeTempFile({ suffix: ".yaml" });
  const refusal = async (text: string) => {
    await Deno.writeTextFile(path, text);
    return (await assertRejects(() => readYamlConfig(path), WeftError) as WeftError).message;
  };
  for (const text of ["seed: 1\nseed: 2", "seed: 1\n  bias: 2"]) {
    const message = await refusal(text);
    if (!/^\S+ is not YAML: .+ at line 2, column \d+$/.test(message)) throw new Error(message);
  }
  await Deno.remove(path);
});
