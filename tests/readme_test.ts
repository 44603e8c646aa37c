import { assertEquals } from "@std/assert";
import { configMarkdown } from "../train/train_config.ts";
import { root } from "./_program.ts";

const readme = await Deno.readTextFile(`${root}/README.md`);

Deno.test("the README's tree has a line for every file", async () => {
  const tree = /<!-- tree -->(.*?)<!-- \/tree -->/s.exec(readme)![1];
  const named: string[] = [];
  let folder = "";
  for (const line of tree.split("\n")) {
    const [, indent, name, what] = /^( +)(\S+) {2,}(\S.*)$/.exec(line) ?? [];
    if (name === undefined) continue;
    if (name.endsWith("/")) folder = name;
    else named.push((indent.length > 4 ? folder : "") + name);
    assertEquals(what.length > 3, true, line);
  }
  const present: string[] = [];
  for (
    const dir of [
      "engine/",
      "engine/ops/",
      "shaders/",
      "model/",
      "train/",
      "train/cleaning/",
      "cli/",
      "cli/readers/",
      "examples/",
    ]
  ) {
    for await (const { name, isFile } of Deno.readDir(root + "/" + dir)) if (isFile) present.push(dir + name);
  }
  assertEquals(named.filter((name) => name.includes("/")).sort(), present.sort());
  for (const name of ["mod.ts", "weft", "deno.json"]) assertEquals(named.includes(name), true, name);
});

Deno.test("the README's table is the one that the program checks with", () => {
  const cells = (markdown: string) =>
    markdown.trim().split("\n").map((line) => line.split(/ *(?<!\\)\| */).map((c) => c.replace(/^-+$/, "-")));
  assertEquals(cells(/<!-- keys -->(.*?)<!-- \/keys -->/s.exec(readme)![1]), cells(configMarkdown()));
});

Deno.test("every task that the README names exists, and every task is named", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(`${root}/deno.json`)) as { tasks: Record<string, string> };
  const named = new Set([...readme.matchAll(/(?:deno task|\.\/weft) (\w+(?::\w+)?)/g)].map(([, task]) => task));
  assertEquals([...named].sort(), Object.keys(tasks).sort());
  for (const command of Object.values(tasks)) assertEquals(/(^| )(-A|--allow-all)( |$)/.test(command), false, command);
});

Deno.test("what the README replaces in a shader is there", async () => {
  const [, shader] = /readTextFile\("(shaders\/\w+\.wgsl)"\)/.exec(readme)!;
  const [, replaced] = /source\.replace\("([^"]+)"/.exec(readme)!;
  assertEquals((await Deno.readTextFile(`${root}/${shader}`)).includes(replaced), true, replaced);
});
