import { measurePeaks } from "./peaks.ts";
import { describeOptions, resolveOptions } from "../train/options.ts";
import { parseCommandLine } from "./command_line.ts";
import { formatCount } from "./format.ts";
import { openGpu } from "./open_gpu.ts";
import { runCommand } from "./run_command.ts";

const options = { json: { type: "bool", default: false, help: "print everything as JSON" } } as const;

const help = `Shows the adapter and what it can do: limits, features, self-test, and three measured rates.

  deno task info [--json]

${describeOptions(options)}`;

const shownLimits = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupsPerDimension",
  "minUniformBufferOffsetAlignment",
] as const;

/** `deno task info`. */
export async function infoCommand(args: string[]): Promise<void> {
  const { flags, help: wantsHelp } = parseCommandLine(args, { options });
  if (wantsHelp) return console.log(help);
  const { json } = resolveOptions(options, [
    { source: "command line", values: flags },
  ]);
  using gpu = await openGpu(); // runs the self-test
  const { vendor, architecture, device, description, isFallbackAdapter } = gpu.info;
  const limits: Record<string, number> = {};
  for (const name in gpu.device.limits) {
    const value = gpu.device.limits[name as keyof GPUSupportedLimits];
    if (typeof value === "number") limits[name] = value;
  }
  const report = {
    adapter: { description, vendor, architecture, device, isFallbackAdapter },
    deno: Deno.version.deno,
    platform: `${Deno.build.os} ${Deno.build.arch}`,
    kind: gpu.isCpu ? "CPU" : "GPU",
    features: [...gpu.device.features].sort(),
    limits,
    selfTest: "passed",
    peaks: await measurePeaks(gpu),
  };
  if (json) return console.log(JSON.stringify(report, null, 2));
  const { flops, bandwidth, launch } = report.peaks;
  const rows = [
    [
      "adapter",
      `${description || "unnamed"} (a ${report.kind}; vendor ${vendor || "?"}, device ${device || "?"})`,
    ],
    ["driver", `${report.platform}, Deno ${report.deno}, WebGPU by wgpu`],
    ["features", report.features.join(", ") || "none"],
    ...shownLimits.map((name) => [name, String(limits[name])]),
    ["self-test", report.selfTest],
    ["multiply-add", `${formatCount(flops)}FLOP/s in f32`],
    ["copy", `${formatCount(bandwidth)}B/s, read and written`],
    ["launch", `${(launch * 1e6).toFixed(1)} µs for a dispatch that does nothing`],
  ];
  const width = Math.max(...rows.map(([name]) => name.length)) + 2;
  for (const [name, value] of rows) console.log(name.padEnd(width) + value);
}

if (import.meta.main) await runCommand(infoCommand);
