import { assertEquals } from "@std/assert";
import { root } from "./_program.ts";

interface Module {
  readonly specifier: string;
  readonly dependencies?: readonly {
    specifier: string;
    code?: { specifier: string };
    type?: { specifier: string };
  }[];
}

/** What each folder may import from. */
const allowed: Record<string, readonly string[]> = {
  shaders: [],
  engine: ["engine", "shaders"],
  model: ["model", "engine", "shaders"],
  train: ["train", "model", "engine", "shaders"],
  cli: ["cli", "train", "model", "engine", "shaders"],
  examples: ["mod.ts"],
  "mod.ts": ["train", "model", "engine"],
};

async function graphOf(path: string): Promise<Module[]> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", path],
    cwd: root,
    stderr: "null",
  }).output();
  return (JSON.parse(new TextDecoder().decode(stdout)) as { modules: Module[] }).modules;
}

async function filesOf(folder: string): Promise<string[]> {
  const files: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(`${root}/${folder}`)) {
    if (isDirectory) files.push(...await filesOf(`${folder}/${name}`));
    else if (name.endsWith(".ts")) files.push(`${folder}/${name}`);
  }
  return files.sort();
}

/** Every import between files of the project, with the specifier as it is written. */
async function imports(): Promise<{ from: string; to: string; written: string }[]> {
  const files = ["mod.ts"];
  for (const folder of ["engine", "model", "train", "cli", "examples"]) files.push(...await filesOf(folder));
  const edges = new Map<string, { from: string; to: string; written: string }>();
  for (const file of files) {
    for (const { specifier, dependencies = [] } of await graphOf(file)) {
      const from = specifier.replace(`file://${root}/`, "");
      for (const dependency of dependencies) {
        for (const target of [dependency.code, dependency.type]) {
          if (target === undefined) continue;
          const to = target.specifier.replace(`file://${root}/`, "");
          edges.set(`${from} ${to}`, { from, to, written: dependency.specifier });
        }
      }
    }
  }
  return [...edges.values()].filter(({ from }) => files.includes(from));
}

const edges = await imports();

Deno.test("folders import upwards only", () => {
  const wrong = edges.filter(({ from, to }) =>
    !to.includes(":") && !allowed[from.split("/")[0]].includes(to.split("/")[0])
  );
  assertEquals(wrong.map(({ from, to }) => `${from} → ${to}`), []);
  assertEquals(edges.length > 100, true); // the walk has found the project
});

Deno.test("mod.ts needs no import map: engine, model and train import relative files alone", () => {
  const wrong = edges.filter(({ from, written }) => !/^(cli|examples)\//.test(from) && !/^\.\.?\//.test(written));
  assertEquals(wrong.map(({ from, written }) => `${from}: ${written}`), []);
});

Deno.test("no file imports itself, however far around", () => {
  const next = Map.groupBy(edges, ({ from }) => from), done = new Set<string>(), cycles: string[] = [];
  const walk = (file: string, path: string[]) => {
    if (path.includes(file)) return void cycles.push([...path.slice(path.indexOf(file)), file].join(" → "));
    if (done.has(file)) return;
    for (const { to } of next.get(file) ?? []) walk(to, [...path, file]);
    done.add(file);
  };
  for (const file of next.keys()) walk(file, []);
  assertEquals(cycles, []);
});

Deno.test("the engine with its shaders stays below 8,000 lines", async () => {
  let lines = 0;
  const files = await filesOf("engine"),
    shaders = edges.filter(({ from, to }) => from.startsWith("engine/") && to.endsWith(".wgsl"));
  files.push(...new Set(shaders.map(({ to }) => to)));
  assertEquals(files.filter((file) => file.endsWith(".wgsl")).length > 10, true);
  for (const file of files) lines += (await Deno.readTextFile(`${root}/${file}`)).split("\n").length - 1;
  assertEquals(lines < 8000, true, `${lines} lines`);
});

Deno.test("the tests know the program's packages in the same versions, and the program none that only tests need", async () => {
  const read = async (path: string) =>
    JSON.parse(await Deno.readTextFile(`${root}/${path}`)).imports as Record<string, string>;
  const [own, tests] = [await read("deno.json"), await read("tests/deno.json")];
  assertEquals({ ...tests, ...own }, tests);
  const sources = await Promise.all((await filesOf("cli")).map((file) => Deno.readTextFile(`${root}/${file}`)));
  for (const name of Object.keys(tests)) {
    // these two are for those who write tests and examples
    const isOwn = ["@std/assert", "wgpu-matrix"].includes(name) || sources.some((text) => text.includes(`"${name}`));
    assertEquals(Object.hasOwn(own, name), isOwn, name); // every package of the lock file is fetched before the first start
  }
});
