import type { Gpu } from "../engine/gpu.ts";
import { version } from "../engine/version.ts";
import { WeftError } from "../engine/weft_error.ts";
import { describeOptions, resolveOptions } from "../train/options.ts";
import {
  attentionCase,
  type BenchCase,
  boundOf,
  decodeCase,
  generateCase,
  matmulCase,
  matmulShapes,
  promptCase,
  stepCase,
  stepConfigs,
  weightBytes,
} from "./bench_cases.ts";
import { parseCommandLine } from "./command_line.ts";
import { formatCount } from "./format.ts";
import { openGpu } from "./open_gpu.ts";
import { measurePeaks, type Peaks } from "./peaks.ts";
import { type Peer, startPeers } from "./peers.ts";
import { runCommand } from "./run_command.ts";
import { tuneWithCache } from "./tune_cache.ts";

const sections = ["peaks", "matmul", "attention", "step", "generate"] as const;

const options = {
  repeats: { type: "int", default: 5, min: 1, help: "measurements of a row; the median is shown, and the spread" },
  longest: {
    type: "real",
    default: 2,
    min: 0,
    help: "seconds: rows that must take longer here are left out, and said so",
  },
  dtype: { type: "string", choices: ["float32", "float16"], default: "float32", help: "how tensors are stored" },
  peers: { type: "bool", default: false, help: "measure jax-js, TensorFlow.js and PyTorch too, in turns with Weft" },
  kernels: { type: "bool", default: false, help: "print the GPU time of each kernel of one training step instead" },
  json: { type: "bool", default: false, help: "print everything as JSON" },
  shaders: { type: "string", default: "", help: "folder of .wgsl files that take the place of the built-in ones" },
  tune: {
    type: "string",
    default: "on",
    choices: ["off", "on", "again"],
    help: "choose kernels by measurement first; `on` takes what .cache/tune.json knows",
  },
} as const;

const help = `Measures this adapter, and Weft on it.

  deno task bench [${sections.join("|")}] [--key=value …]

${describeOptions(options)}`;

/** A measured row. */
interface Row {
  readonly section: string;
  readonly name: string;
  /** Median seconds of one run, and (largest − smallest) / median. */
  readonly seconds: number;
  readonly spread: number;
  /** Operations and tokens per second, where they are counted. */
  readonly flops?: number;
  readonly tokens?: number;
  /** Share of the measured peak, and how many times the bound it took. */
  readonly share?: number;
  readonly timesBound: number;
  /** Median seconds of each peer, or why there are none. */
  readonly peers?: Readonly<Record<string, number | string>>;
}

/** `deno task bench`. */
export async function benchCommand(args: string[]): Promise<void> {
  const { words, flags, help: wantsHelp } = parseCommandLine(args, { words: sections.length, options });
  if (wantsHelp) return console.log(help);
  const asked = resolveOptions(options, [{ source: "command line", values: flags }]);
  const unknown = words.find((word) => !(sections as readonly string[]).includes(word));
  if (unknown !== undefined) throw new WeftError(`${unknown} is no section: they are ${sections.join(", ")}`);
  const chosen = words.length > 0 ? words : sections;
  const print = (line: string): void => asked.json ? undefined : console.log(line);
  using gpu = await openGpu(asked.shaders);
  print(`adapter: ${gpu.info.description}; Deno ${Deno.version.deno}, Weft ${version}`);
  const dtype = asked.dtype === "float16" ? "f16" : "f32";
  if (dtype === "f16" && !gpu.hasF16) {
    throw new WeftError(`--dtype is float16, which ${gpu.info.description} cannot do`);
  }
  let peaks = await measurePeaks(gpu);
  if (asked.kernels) return await printKernels(gpu, peaks, dtype, asked.json);
  const { running, missing } = asked.peers ? await startPeers() : { running: [], missing: [] };
  for (const line of missing) print(`left out: ${line}`);
  const rows: Row[] = [], omitted: { section: string; name: string; bound: number }[] = [];
  try {
    for (const section of chosen) {
      print(`\n${section}`);
      // The machine may be faster or slower than a minute ago: each section has its own peaks.
      peaks = await measurePeaks(gpu);
      if (section === "peaks") {
        print(
          `  multiply-add ${formatCount(peaks.flops)}FLOP/s, copy ${formatCount(peaks.bandwidth)}B/s, launch ${
            (peaks.launch * 1e6).toFixed(1)
          } µs`,
        );
        continue;
      }
      for (const make of casesOf(gpu, peaks, section, dtype)) {
        const { bound, name } = make.estimate();
        if (bound > asked.longest) {
          omitted.push({ section, name, bound });
          print(`  ${name.padEnd(44)} left out: it cannot take less than ${bound.toFixed(1)} s here (--longest)`);
          continue;
        }
        const row = await measureRow(gpu, peaks, section, make.make(), asked, running);
        rows.push(row);
        print(formatRow(row));
      }
    }
  } finally {
    for (const peer of running) await peer.close();
  }
  if (asked.json) {
    const adapter = gpu.info.description, versions = { deno: Deno.version.deno, weft: version };
    console.log(JSON.stringify({ adapter, versions, peaks, rows, omitted, missing }, null, 2));
  }
}

interface Candidate {
  /** A first bound from the operations alone, before anything is allocated. */
  readonly estimate: () => { name: string; bound: number };
  readonly make: () => BenchCase;
}

function casesOf(gpu: Gpu, peaks: Peaks, section: string, dtype: "f32" | "f16"): Candidate[] {
  const limit = gpu.bindingLimit;
  const candidate = (name: string, flops: number, largest: number, make: () => BenchCase): Candidate => ({
    estimate: () => ({ name, bound: largest > limit ? Infinity : flops / peaks.flops }),
    make,
  });
  if (section === "matmul") {
    return matmulShapes().flatMap((shape) =>
      (["NN", "NT", "TN"] as const).map((layout) => {
        const [M, N, K] = shape;
        const largest = 4 * Math.max(M * N, M * K, N * K);
        return candidate(`${layout} ${shape.join("×")}`, 2 * M * N * K, largest, () =>
          matmulCase(gpu, peaks, shape, { layout, dtype }));
      })
    );
  }
  if (section === "attention") {
    return stepConfigs.map(({ name, batchSize: B, model: { n_head: H, n_embd: C, block_size: T } }) =>
      candidate(
        `${name}: B ${B} T ${T} H ${H} D ${C / H}`,
        7 * B * T * T * C,
        12 * B * T * C,
        () => attentionCase(gpu, peaks, { B, T, H, D: C / H }, dtype),
      )
    );
  }
  return stepConfigs.flatMap((config) => {
    const { n_layer: L, n_embd: C, block_size: T, vocab_size: V } = config.model;
    const perToken = 12 * L * C * C + V * C, largest = 4 * config.batchSize * T * 4 * C;
    if (section === "step") {
      const name = `${config.name}, batch ${config.batchSize}`, flops = 6 * config.batchSize * T * perToken;
      return [candidate(name, flops, largest, () => stepCase(gpu, peaks, config, dtype))];
    }
    const name = `${config.name}, ${T / 4} tokens`;
    const reading = T / 4 * weightBytes(config.model, dtype) / peaks.bandwidth * peaks.flops;
    return [
      candidate(
        `${name}, no cache`,
        2 * (T / 4) * (3 / 8 * T) * perToken,
        0,
        () => generateCase(gpu, peaks, config, dtype),
      ),
      candidate(`${name}, cache`, reading, 0, () => decodeCase(gpu, peaks, config, dtype)),
      ...[false, true].map((cache) =>
        candidate(
          `${config.name}, ${cache ? "prompt" : "forward pass"}`,
          2 * T * perToken,
          0,
          () => promptCase(gpu, peaks, config, { dtype, cache }),
        )
      ),
    ];
  });
}

async function measureRow(
  gpu: Gpu,
  peaks: Peaks,
  section: string,
  given: BenchCase,
  { repeats, tune, shaders }: { repeats: number; tune: "off" | "on" | "again"; shaders: string },
  peers: readonly Peer[],
): Promise<Row> {
  try {
    const own: number[] = [], theirs = new Map<string, number[] | string>();
    await tuneWithCache(gpu, tune, {
      replacedShaders: shaders !== "",
      measure: async () => {
        const before = gpu.choices.answers.size;
        await given.seconds();
        return gpu.choices.answers.size - before;
      },
    });
    // In turns, so that a machine that slows down slows all of them.
    for (let i = 0; i < repeats; i++) {
      own.push(await given.seconds());
      for (const peer of given.request ? peers : []) {
        const before = theirs.get(peer.name) ?? [];
        if (typeof before === "string") continue;
        const measured = await peer.measure(given.request!, 1);
        theirs.set(peer.name, typeof measured === "string" ? measured : [...before, ...measured]);
      }
    }
    const seconds = median(own), { flops, tokens, name, bound } = given;
    return {
      section,
      name,
      seconds,
      spread: (Math.max(...own) - Math.min(...own)) / seconds,
      flops: flops && flops / seconds,
      tokens: tokens && tokens / seconds,
      share: flops && flops / seconds / peaks.flops,
      timesBound: seconds / bound,
      ...theirs.size > 0
        ? { peers: Object.fromEntries([...theirs].map(([k, v]) => [k, typeof v === "string" ? v : median(v)])) }
        : {},
    };
  } finally {
    given.close();
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b), middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function formatRow({ name, seconds, spread, flops, tokens, share, timesBound, peers = {} }: Row): string {
  const cells = [
    `${(1000 * seconds).toFixed(2)} ms ±${(50 * spread).toFixed(0)} %`.padStart(19),
    flops === undefined ? "" : `${formatCount(flops)}FLOP/s`.padStart(13),
    tokens === undefined ? "" : `${formatCount(tokens)} tokens/s`.padStart(16),
    share === undefined ? "" : `${(100 * share).toFixed(0)} % of peak`.padStart(13),
    `${timesBound.toFixed(2)} × bound`.padStart(14),
  ];
  const others = Object.entries(peers).map(([peer, result]) =>
    `    ${peer.padEnd(42)} ${
      typeof result === "string"
        ? `no result: ${result}`
        : `${(1000 * result).toFixed(2)} ms`.padStart(12) + `  ${(result / seconds).toFixed(2)} × the time of Weft`
    }`
  );
  return [`  ${name.padEnd(44)}${cells.filter((cell) => cell !== "").join("")}`, ...others].join("\n");
}

/** GPU time of each kernel of one step of the first configuration, beside what bounds it. */
async function printKernels(gpu: Gpu, peaks: Peaks, dtype: "f32" | "f16", json: boolean): Promise<void> {
  const { trainer, close } = stepCase(gpu, peaks, stepConfigs[gpu.isCpu ? 0 : 1], dtype);
  await trainer.tune();
  trainer.steps(3); // compiles kernels and fills the pool
  const dispatches = gpu.rehearse(() => trainer.steps(1));
  const times = await gpu.profile(() => trainer.steps(1));
  const rows = times.map(({ kernel, dispatches: count, milliseconds }) => {
    const own = dispatches.filter((each) => each.kernel === kernel);
    const share = count / own.length; // a rehearsal makes all copies, also those that a step finds made
    const flops = share * own.reduce((sum, each) => sum + each.flops, 0),
      bytes = share * own.reduce((sum, each) => sum + each.bytes, 0);
    return { kernel, dispatches: count, milliseconds, flops, bytes, bound: share * 1000 * boundOf(own, peaks) };
  });
  close();
  if (json) return console.log(JSON.stringify({ adapter: gpu.info.description, peaks, kernels: rows }, null, 2));
  for (const { kernel, dispatches, milliseconds, flops, bytes, bound } of rows) {
    const rate = flops > 0
      ? `${formatCount(flops / milliseconds * 1000)}FLOP/s`
      : `${formatCount(bytes / milliseconds * 1000)}B/s`;
    console.log(
      `${kernel.padEnd(34)} ${String(dispatches).padStart(4)} × ${milliseconds.toFixed(3).padStart(9)} ms ` +
        `${rate.padStart(13)} ${(milliseconds / bound).toFixed(1).padStart(6)} × bound`,
    );
  }
  const sum = (key: "milliseconds" | "bound") => rows.reduce((total, row) => total + row[key], 0);
  console.log(
    `${"one step".padEnd(34)}        ${sum("milliseconds").toFixed(3).padStart(9)} ms, bound ${
      sum("bound").toFixed(1)
    } ms`,
  );
}

if (import.meta.main) await runCommand(benchCommand);
