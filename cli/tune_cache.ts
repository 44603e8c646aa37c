import type { Choice } from "../engine/choices.ts";
import type { Gpu } from "../engine/gpu.ts";
import { version } from "../engine/version.ts";

const path = ".cache/tune.json";

type Cache = Record<string, Record<string, Choice>>;

/** Whether kernels are chosen by measurement: not, with what was measured before, or with everything measured anew. */
export type TuneMode = "off" | "on" | "again";

/**
 * Chooses the kernels of `work` by measurement: takes what `.cache/tune.json` holds for this adapter, driver and version
 * of Weft, has the rest measured by `measure`, and writes it back. A file that cannot be read or written is left alone:
 * all that is lost is the time to measure. Replaced shaders are measured for this run only.
 */
export async function tuneWithCache(
  gpu: Gpu,
  mode: TuneMode,
  options: { replacedShaders: boolean; measure: () => Promise<number> },
): Promise<void> {
  if (mode === "off") return;
  const keeps = !options.replacedShaders, key = cacheKey(gpu);
  if (mode === "on" && keeps) {
    const known = (await readCache())[key] ?? {};
    for (const [question, choice] of Object.entries(known)) gpu.choices.answers.set(question, choice);
  }
  if (await options.measure() > 0 && keeps) {
    const all = await readCache();
    all[key] = { ...all[key], ...Object.fromEntries(gpu.choices.answers) };
    await writeCache(all);
  }
}

function cacheKey(gpu: Gpu): string {
  const { vendor, architecture, device, description } = gpu.info;
  return [description, vendor, architecture, device, `${Deno.build.os} ${Deno.version.deno}`, `weft ${version}`].join(
    " | ",
  );
}

async function readCache(): Promise<Cache> {
  try {
    const cache: Cache = JSON.parse(await Deno.readTextFile(path));
    return typeof cache === "object" && cache !== null ? cache : {};
  } catch {
    return {};
  }
}

async function writeCache(cache: Cache): Promise<void> {
  const beside = `${path}.${Deno.pid}.new`;
  try {
    await Deno.mkdir(".cache", { recursive: true });
    await Deno.writeTextFile(beside, JSON.stringify(cache, null, 1));
    await Deno.rename(beside, path);
  } catch {
    await Deno.remove(beside).catch(() => {});
  }
}
