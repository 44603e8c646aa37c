import { assertEquals, assertStringIncludes } from "@std/assert";
import { root } from "./_program.ts";

interface World {
  /** Version that the Deno on the PATH claims, or undefined for none. */
  readonly deno?: string;
  /** Version that the Deno that npm or the installer brings claims. */
  readonly brought?: string;
  /** From when on an adapter answers. */
  readonly adapter?: "at once" | "on the second try" | "after apt-get" | "never";
  /** Fake installers that are on the PATH. */
  readonly tools?: readonly string[];
  /** User that runs the launcher; 0 is root. */
  readonly user?: number;
  readonly env?: Record<string, string>;
  readonly args?: readonly string[];
}

interface Launched {
  readonly code: number;
  readonly stderr: string;
  /** What the fakes were asked for. */
  readonly log: readonly string[];
  /** The project's folder. */
  readonly home: string;
}

const realTools = ["sh", "dirname", "readlink", "sed", "sort", "head", "uname", "env", "mkdir", "chmod", "cat"];

/** A Deno that logs what it is asked for and where; $STATE/adapter says when its adapter answers. */
const fakeDeno = (version: string) =>
  `#!/bin/sh
case $1 in
  --version) echo "deno ${version} (stable, release, x86_64)" ;;
  eval)
    read -r adapter < "$STATE/adapter"
    [ "$adapter" != "on the second try" ] || echo "at once" > "$STATE/adapter"
    [ "$adapter" = "at once" ] ;;
  *) echo "deno $*" >> "$STATE/log"; pwd >> "$STATE/log" ;;
esac
`;

/** Commands that put a fake Deno into the folder $to. */
const bringDeno = (version: string) =>
  `mkdir -p "$to"; cat > "$to/deno" <<'END'\n${fakeDeno(version)}END\nchmod +x "$to/deno"\n`;

/** What a fake tool does after it has logged its call. */
function actionOf(tool: string, brought: string): string {
  if (tool === "npm") return `to="$7/node_modules/.bin"\n${bringDeno(brought)}`; // $7: --prefix
  if (tool === "sudo") return `exec "$@"`;
  if (tool === "curl") {
    const installer = `echo "installer CI=$CI $*" >> "$STATE/log"\nto="$DENO_INSTALL/bin"\n${bringDeno(brought)}`;
    return `cat <<'INSTALLER'\n${installer}INSTALLER`;
  }
  return `read -r adapter < "$STATE/adapter"
case "$adapter $*" in "after apt-get "*install*) echo "at once" > "$STATE/adapter" ;; esac`;
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** Runs a copy of the launcher through a link, in a folder with a space in its name, with fakes on the PATH. */
async function launch(world: World): Promise<Launched> {
  const dir = await Deno.makeTempDir(), home = `${dir}/the project`, bin = `${dir}/bin`, state = `${dir}/state`;
  try {
    for (const path of [home, bin, state]) await Deno.mkdir(path);
    await Deno.copyFile(`${root}/weft`, `${home}/weft`);
    await Deno.symlink("the project/weft", `${dir}/link`);
    for (const tool of realTools) {
      const found = [`/bin/${tool}`, `/usr/bin/${tool}`].find(isFile);
      if (found === undefined) throw new Error(`this test needs ${tool}`);
      await Deno.symlink(found, `${bin}/${tool}`);
    }
    const script = (name: string, text: string) => Deno.writeTextFile(`${bin}/${name}`, text, { mode: 0o755 });
    await script("id", `#!/bin/sh\necho ${world.user ?? 0}\n`);
    if (world.deno) await script("deno", fakeDeno(world.deno));
    for (const tool of world.tools ?? []) {
      const action = actionOf(tool, world.brought ?? "2.9.6");
      await script(tool, `#!/bin/sh\necho "${tool} $*" >> "$STATE/log"\n${action}\n`);
    }
    await Deno.writeTextFile(`${state}/adapter`, `${world.adapter ?? "at once"}\n`);
    await Deno.writeTextFile(`${state}/log`, "");
    const { code, stderr } = await new Deno.Command("./link", {
      args: [...world.args ?? ["train", "--a=b c"]],
      cwd: dir,
      clearEnv: true,
      env: { PATH: bin, HOME: `${dir}/nobody`, STATE: state, ...world.env },
    }).output();
    const log = (await Deno.readTextFile(`${state}/log`)).split("\n").filter((line) => line !== "");
    return { code, stderr: new TextDecoder().decode(stderr), log, home };
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const ran = (home: string) => ["deno task train --a=b c", home];
const aptCalls = ["apt-get -qq update", "apt-get -qq install -y mesa-vulkan-drivers"];

Deno.test("with a Deno and an adapter the task is run at once, in the project's folder", async () => {
  const { code, log, home, stderr } = await launch({ deno: "2.9.0", tools: ["npm", "apt-get"] });
  assertEquals([code, log], [0, ran(home)], stderr);
});

Deno.test("without a task the tasks are listed", async () => {
  const { code, log, home, stderr } = await launch({ deno: "2.9.0", args: [] });
  assertEquals([code, log], [0, ["deno task", home]], stderr);
  assertStringIncludes(stderr, "weft: usage: ./weft <task>");
});

Deno.test("a Deno that is missing or too old is brought by npm, into the project's folder", async () => {
  for (const deno of [undefined, "2.8.9", "1.46.3"]) {
    const { code, log, home, stderr } = await launch({ deno, tools: ["npm", "curl"] });
    assertEquals(code, 0, stderr);
    const flags = "--loglevel=error --no-fund --no-audit --no-package-lock";
    assertEquals(log, [`npm install ${flags} --prefix ${home}/.deno deno@2.9.6`, ...ran(home)]);
    assertStringIncludes(stderr, "weft: running: npm install");
  }
});

Deno.test("without npm, Deno's installer brings it and is kept from the shell's profile", async () => {
  const { code, log, home, stderr } = await launch({ tools: ["curl"] });
  assertEquals(code, 0, stderr);
  assertEquals(log, ["curl -fsSL https://deno.land/install.sh", "installer CI=1 v2.9.6", ...ran(home)]);
});

Deno.test("a newer Deno serves, whatever the digits", async () => {
  for (const deno of ["2.9.10", "2.10.0", "3.0.0"]) assertEquals((await launch({ deno })).code, 0, deno);
});

Deno.test("a Deno that cannot be brought, or does not start, is a clear error", async () => {
  const none = await launch({});
  assertEquals([none.code, none.log], [1, []]);
  assertStringIncludes(none.stderr, "weft: error: neither npm nor curl is there; install Deno 2.9.6");
  const old = await launch({ tools: ["npm"], brought: "1.0.0" });
  assertEquals([old.code, old.log.length], [1, 1]); // npm alone was called
  assertStringIncludes(old.stderr, "still has no Deno that starts");
});

Deno.test("WEFT_NO_INSTALL=1 only says how a Deno would be brought", async () => {
  const { code, log, stderr } = await launch({ tools: ["npm"], env: { WEFT_NO_INSTALL: "1" } });
  assertEquals([code, log], [1, []]);
  assertStringIncludes(stderr, "weft: would run: npm install");
});

if (Deno.build.os === "linux") {
  Deno.test("an adapter that answers on the second try only serves", async () => {
    const { code, log, home } = await launch({ deno: "2.9.6", adapter: "on the second try", tools: ["apt-get"] });
    assertEquals([code, log], [0, ran(home)]);
  });

  Deno.test("where no adapter answers, apt-get brings one", async () => {
    const { code, log, home, stderr } = await launch({
      deno: "2.9.6",
      adapter: "after apt-get",
      tools: ["apt-get", "sudo"],
    });
    assertEquals([code, log], [0, [...aptCalls, ...ran(home)]], stderr);
  });

  Deno.test("a user who is not root needs sudo for that", async () => {
    const world = { deno: "2.9.6", adapter: "after apt-get", user: 1000 } as const;
    const able = await launch({ ...world, tools: ["apt-get", "sudo"] });
    assertEquals(able.code, 0, able.stderr);
    assertEquals(able.log.filter((line) => line.startsWith("apt-get")), aptCalls);
    assertEquals(able.log.filter((line) => line.startsWith("sudo ")).length, 2);
    const unable = await launch({ ...world, tools: ["apt-get"] });
    assertEquals([unable.code, unable.log], [1, []]);
    assertStringIncludes(unable.stderr, "weft: error: run as root: apt-get update && apt-get install");
  });

  Deno.test("a driver that does not help is an error", async () => {
    const { code, stderr } = await launch({ deno: "2.9.6", adapter: "never", tools: ["apt-get"] });
    assertEquals(code, 1);
    assertStringIncludes(stderr, "still no Vulkan adapter answers");
  });

  Deno.test("other distributions are told the command", async () => {
    const commands = [
      ["dnf", "run: sudo dnf install mesa-vulkan-drivers"],
      ["pacman", "run: sudo pacman -S vulkan-swrast"],
      ["zypper", "run: sudo zypper install libvulkan_lvp"],
      ["apk", "run: sudo apk add mesa-vulkan-swrast"],
      ["an-unknown-one", "install a Vulkan driver of your distribution"],
    ];
    for (const [tool, command] of commands) {
      const { code, log, stderr } = await launch({ deno: "2.9.6", adapter: "never", tools: [tool] });
      assertEquals([code, log], [1, []]);
      assertStringIncludes(stderr, `weft: error: ${command}`);
    }
  });

  Deno.test("WEFT_NO_INSTALL=1 only says how an adapter would be brought, and goes on if nothing is missing", async () => {
    const world = { deno: "2.9.6", tools: ["apt-get"], env: { WEFT_NO_INSTALL: "1" } };
    const { code, log, stderr } = await launch({ ...world, adapter: "after apt-get" });
    assertEquals([code, log], [1, []]);
    assertStringIncludes(stderr, "weft: would run: apt-get -qq update");
    assertStringIncludes(stderr, "apt-get -qq install -y mesa-vulkan-drivers");
    assertEquals((await launch(world)).code, 0);
  });
}
