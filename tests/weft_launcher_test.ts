import { assertEquals, assertStringIncludes } from "@std/assert";
import { root } from "./_program.ts";

interface World {
  /** Version that the Deno on the PATH claims, or undefined for none. */
  readonly deno?: string;
  /** Version that the Deno brought by npm claims. */
  readonly brought?: string;
  /** How many times the adapter is asked for before it answers; Infinity for never. */
  readonly adapterAfter?: number;
  /** Installers that are on the PATH. */
  readonly tools?: readonly string[];
  readonly env?: Record<string, string>;
  readonly args?: readonly string[];
}

/** A Deno that logs what it is asked for; it sees an adapter once apt-get has run, or from the beginning. */
const fakeDeno = (version: string) =>
  `#!/bin/sh
case $1 in
  --version) echo "deno ${version} (stable, release, x86_64)" ;;
  eval) [ -e "$STATE/adapter" ] ;;
  *) echo "deno $*" >> "$STATE/log"; pwd >> "$STATE/log" ;;
esac
`;

/** Runs the launcher in a copy of its own, whose folder has a space in its name, with nothing but fakes on the PATH. */
async function launch(world: World): Promise<{ code: number; stderr: string; log: string[]; home: string }> {
  const dir = await Deno.makeTempDir(), home = `${dir}/the project`, bin = `${dir}/bin`, state = `${dir}/state`;
  for (const path of [home, bin, state]) await Deno.mkdir(path);
  await Deno.copyFile(`${root}/weft`, `${home}/weft`);
  await Deno.symlink(`${home}/weft`, `${dir}/link`);
  for (
    const tool of ["sh", "dirname", "readlink", "sed", "sort", "head", "uname", "id", "env", "mkdir", "chmod", "cat"]
  ) {
    const found = ["/bin", "/usr/bin"].map((folder) => `${folder}/${tool}`).find((path) => {
      try {
        return Deno.statSync(path).isFile;
      } catch {
        return false;
      }
    });
    await Deno.symlink(found!, `${bin}/${tool}`);
  }
  const script = async (path: string, text: string) => {
    await Deno.writeTextFile(path, text);
    await Deno.chmod(path, 0o755);
  };
  if (world.deno) await script(`${bin}/deno`, fakeDeno(world.deno));
  if ((world.adapterAfter ?? 0) === 0) await Deno.writeTextFile(`${state}/adapter`, "");
  for (const tool of world.tools ?? []) {
    const brings = tool === "npm"
      ? `to="$HOME_OF_PROJECT/.deno/node_modules/.bin"; mkdir -p "$to"; cat > "$to/deno" <<'END'\n${
        fakeDeno(world.brought ?? "2.9.6")
      }END\nchmod +x "$to/deno"`
      : `case "$*" in *install*) [ "$BRINGS" = no ] || : > "$STATE/adapter" ;; esac`;
    await script(`${bin}/${tool}`, `#!/bin/sh\necho "${tool} $*" >> "$STATE/log"\n${brings}\n`);
  }
  const { code, stderr } = await new Deno.Command(`${dir}/link`, {
    args: [...world.args ?? ["train", "--a=b c"]],
    cwd: dir,
    clearEnv: true,
    env: {
      PATH: bin,
      HOME: `${dir}/nobody`,
      STATE: state,
      HOME_OF_PROJECT: home,
      BRINGS: world.adapterAfter === Infinity ? "no" : "yes",
      ...world.env,
    },
  }).output();
  const log = await Deno.readTextFile(`${state}/log`).catch(() => "");
  await Deno.remove(dir, { recursive: true });
  return { code, stderr: new TextDecoder().decode(stderr), log: log.split("\n").filter((line) => line !== ""), home };
}

const ran = (home: string) => ["deno task train --a=b c", home];

Deno.test("with a Deno and an adapter the task is run at once, in the project's folder", async () => {
  const { code, log, home, stderr } = await launch({ deno: "2.9.0" });
  assertEquals([code, log], [0, ran(home)], stderr);
});

Deno.test("a Deno that is missing or too old is brought by npm, into the project's folder", async () => {
  for (const deno of [undefined, "2.8.9", "1.46.3"]) {
    const { code, log, home, stderr } = await launch({ deno, tools: ["npm"] });
    assertEquals(code, 0, stderr);
    const fetched = `npm install --silent --no-fund --no-audit --no-package-lock --prefix ${home}/.deno deno@2.9.6`;
    assertEquals(log, [fetched, ...ran(home)]);
    assertStringIncludes(stderr, "weft: running: npm install");
  }
});

Deno.test("a newer Deno serves, whatever the digits", async () => {
  for (const deno of ["2.9.10", "2.10.0", "3.0.0"]) assertEquals((await launch({ deno })).code, 0, deno);
});

Deno.test("a Deno that cannot be brought, or does not start, is a clear error", async () => {
  const none = await launch({});
  assertEquals([none.code, none.log], [1, []]);
  assertStringIncludes(none.stderr, "weft: error: neither npm nor curl and unzip are there");
  const broken = await launch({ tools: ["npm"], brought: "1.0.0" });
  assertEquals(broken.code, 1);
  assertStringIncludes(broken.stderr, "does not start");
});

if (Deno.build.os === "linux") {
  Deno.test("where no adapter answers, apt-get brings one", async () => {
    const { code, log, home, stderr } = await launch({ deno: "2.9.6", adapterAfter: 1, tools: ["apt-get", "sudo"] });
    const [first] = log;
    if (first.startsWith("sudo")) return assertStringIncludes(first, "sudo apt-get -qq update"); // the fake sudo runs nothing
    assertEquals(code, 0, stderr);
    assertEquals(log, ["apt-get -qq update", "apt-get -qq install -y mesa-vulkan-drivers", ...ran(home)]);
  });

  Deno.test("a driver that does not help is an error", async () => {
    const { code, stderr } = await launch({ deno: "2.9.6", adapterAfter: Infinity, tools: ["apt-get", "sudo"] });
    assertEquals(code, 1);
    assertStringIncludes(stderr, "still no Vulkan adapter answers");
  });

  Deno.test("other distributions are told the command", async () => {
    for (
      const [tool, command] of [["dnf", "sudo dnf install mesa-vulkan-drivers"], [
        "pacman",
        "sudo pacman -S vulkan-swrast",
      ]]
    ) {
      const { code, log, stderr } = await launch({ deno: "2.9.6", adapterAfter: 1, tools: [tool] });
      assertEquals([code, log], [1, []]);
      assertStringIncludes(stderr, `weft: error: run: ${command}`);
    }
    const { code, stderr } = await launch({ deno: "2.9.6", adapterAfter: 1 });
    assertEquals(code, 1);
    assertStringIncludes(stderr, "install a Vulkan driver of your distribution");
  });

  Deno.test("WEFT_NO_INSTALL=1 only says what would be done", async () => {
    const env = { WEFT_NO_INSTALL: "1" };
    const noDeno = await launch({ tools: ["npm"], env });
    assertEquals([noDeno.code, noDeno.log], [1, []]);
    assertStringIncludes(noDeno.stderr, "weft: would run: npm install");
    const noAdapter = await launch({ deno: "2.9.6", adapterAfter: 1, tools: ["apt-get", "sudo"], env });
    assertEquals([noAdapter.code, noAdapter.log], [1, []]);
    assertStringIncludes(noAdapter.stderr, "apt-get -qq update");
    assertEquals((await launch({ deno: "2.9.6", env })).code, 0); // nothing is missing
  });
}
