import type { StorageForm } from "./buffer_pool.ts";
import { texelNames, withTexels } from "./texels.ts";
import { unroll } from "./unroll.ts";
import { WeftError } from "./weft_error.ts";

/** A WGSL file by name: what an op dispatches, and what a replacement file of the same name takes the place of. */
export interface Shader {
  /** File name in shaders/, such as `softmax.wgsl`. */
  readonly name: string;
  /** The WGSL text. */
  readonly source: string;
  /** Files whose functions it calls: their text follows its own. */
  readonly parts: readonly Shader[];
  /** Its name and those of its parts: a file may be built with one part or with another. */
  readonly key: string;
}

/** Numbers that specialise a shader: `override` values, and `const NAME: u32 = …; // tunable` lines. */
export type Constants = Readonly<Record<string, number>>;

/** The values of a shader's `Params` struct, by field. Vectors and arrays of vectors are flat lists. */
export type Params = Readonly<Record<string, number | readonly number[]>>;

interface ShaderFile {
  readonly name: string;
  readonly source: string;
}

interface Binding {
  readonly index: number;
  readonly writable: boolean;
  /** What its array is of: `f32`, `vec4f`, or the alias of an element type, alone or as a vec4 of it. */
  readonly element: string;
}

interface Field {
  readonly name: string;
  readonly kind: "u32" | "i32" | "f32";
  readonly count: number;
  readonly offset: number;
}

interface ParsedShader {
  readonly bindings: ReadonlyMap<string, Binding>;
  readonly uniform: number | undefined;
  readonly fields: readonly Field[];
  readonly paramsBytes: number;
}

/** A compiled entry point with what is needed to bind and launch it. */
export interface Kernel {
  /** Key of cached bind groups. */
  readonly id: number;
  /** `softmax.wgsl/forward`, as profiles and messages print it. */
  readonly label: string;
  /** The pipeline. */
  readonly pipeline: GPUComputePipeline;
  /** Layout of its one bind group. */
  readonly layout: GPUBindGroupLayout;
  /** Binding number of each storage buffer, in the order in which the caller names them. */
  readonly storageIndices: readonly number[];
  /** Whether the kernel writes that buffer, in the same order. */
  readonly writable: readonly boolean[];
  /** As what it binds that buffer, in the same order. */
  readonly forms: readonly StorageForm[];
  /** Binding number of the uniform, where the shader has one. */
  readonly uniformIndex: number | undefined;
  /** Size of its `Params` in bytes. */
  readonly paramsBytes: number;
  /** Invocations of a workgroup. */
  readonly workgroupSize: number;
  /** Writes `Params` at a byte offset. */
  readonly writeParams: (view: DataView, offset: number, params: Params) => void;
}

const builtin = new Set<string>();

/** Names a shader file. Every op calls it once with the text that it imports, and the files that this one builds on. */
export function defineShader(name: string, source: string, parts: readonly Shader[] = []): Shader {
  builtin.add(name);
  return { name, source, parts, key: [name, ...parts.map((part) => part.key)].join("+") };
}

/** The names of all shader files that are loaded: what a replacement may replace. */
export function shaderNames(): string[] {
  return [...builtin].sort();
}

/** Compiles entry points on demand and keeps them. */
export class KernelCache {
  #device: GPUDevice;
  #overlay: Readonly<Record<string, string>>;
  #kernels = new Map<string, Kernel>();
  #texelNames = new Map<string, ReadonlySet<string>>();
  #check: (pending: Promise<void>) => void;

  /** `check` receives, for each kernel compiled, a promise that rejects with what the compiler said. */
  constructor(
    device: GPUDevice,
    overlay: Readonly<Record<string, string>>,
    check: (pending: Promise<void>) => void,
  ) {
    this.#device = device;
    this.#overlay = overlay;
    this.#check = check;
  }

  /**
   * The compiled entry point of a shader for buffers of the given names and the given constants. `halves` says which of
   * the buffers hold f16: the aliases of their elements' types become f16. `forms` says as what each is bound, if not as a buffer.
   */
  get(
    shader: Shader,
    entry: string,
    buffers: readonly string[],
    constants: Constants = {},
    halves: readonly boolean[] = [],
    forms: readonly StorageForm[] = [],
  ): Kernel {
    let key = shader.key + "/" + entry;
    for (let i = 0; i < buffers.length; i++) key += (halves[i] ? ",f16 " : ",") + (forms[i] ?? "buffer") + buffers[i];
    for (const name in constants) key += ";" + name + "=" + constants[name];
    let kernel = this.#kernels.get(key);
    if (kernel === undefined) {
      kernel = this.#compile(shader, entry, buffers, constants, halves, forms);
      this.#kernels.set(key, kernel);
    }
    return kernel;
  }

  /** The names of the storage variables of floats that a shader only reads: what may be a texture instead. */
  texelNames(shader: Shader): ReadonlySet<string> {
    let names = this.#texelNames.get(shader.key);
    if (names === undefined) {
      names = texelNames(this.#files(shader).map((file) => file.source).join(""));
      this.#texelNames.set(shader.key, names);
    }
    return names;
  }

  /** The files of a shader as they are compiled, itself first: each the replacement, or the built-in. */
  #files(shader: Shader): ShaderFile[] {
    const own = { name: shader.name, source: this.#overlay[shader.name] ?? shader.source };
    const files = [own, ...shader.parts.flatMap((part) => this.#files(part))];
    return files.filter(({ name }, i) => files.findIndex((file) => file.name === name) === i); // a part of parts once
  }

  #compile(
    shader: Shader,
    entry: string,
    buffers: readonly string[],
    constants: Constants,
    halves: readonly boolean[],
    forms: readonly StorageForm[],
  ): Kernel {
    const label = `${shader.name}/${entry}`;
    const files = this.#files(shader);
    const { source: text, overrides } = specialise(label, files.map((file) => file.source).join(""), constants);
    const parsed = parseShader(label, text);
    const bindings = buffers.map((name, i) => {
      const binding = parsed.bindings.get(name);
      if (binding === undefined) throw new WeftError(`${label} has no storage buffer named ${name}`);
      return { ...binding, form: forms[i] ?? "buffer" };
    });
    const source = bindings.reduce(
      (text, { form }, i) => form === "buffer" ? text : withTexels(text, buffers[i], form),
      withHalves(label, text, parsed, buffers, halves),
    );
    const size = workgroupSize(label, source, entry);
    const device = this.#device;
    device.pushErrorScope("validation");
    const module = device.createShaderModule({ label: shader.name, code: source });
    const layout = device.createBindGroupLayout({
      label,
      entries: [
        ...(parsed.uniform === undefined ? [] : [{
          binding: parsed.uniform,
          visibility: GPUShaderStage.COMPUTE,
          buffer: { type: "uniform" as const, hasDynamicOffset: true, minBindingSize: parsed.paramsBytes },
        }]),
        ...bindings.map(({ index, writable, form }) => ({
          binding: index,
          visibility: GPUShaderStage.COMPUTE,
          ...form === "buffer"
            ? { buffer: { type: writable ? "storage" as const : "read-only-storage" as const } }
            : { storageTexture: { access: "read-only" as const, format: form } },
        })),
      ],
    });
    const pipeline = device.createComputePipeline({
      label,
      layout: device.createPipelineLayout({ label, bindGroupLayouts: [layout] }),
      compute: { module, entryPoint: entry, constants: overrides },
    });
    this.#check(describeFailure(label, files, module, device.popErrorScope()));
    return {
      id: this.#kernels.size,
      label,
      pipeline,
      layout,
      storageIndices: bindings.map(({ index }) => index),
      writable: bindings.map(({ writable }) => writable),
      forms: bindings.map(({ form }) => form),
      uniformIndex: parsed.uniform,
      paramsBytes: parsed.paramsBytes,
      workgroupSize: size,
      writeParams: (view, offset, params) => writeParams(label, parsed.fields, view, offset, params),
    };
  }
}

/** Rejects with file:line:column and the source line when a shader did not compile. */
async function describeFailure(
  label: string,
  files: readonly ShaderFile[],
  module: GPUShaderModule,
  failure: Promise<GPUError | null>,
): Promise<void> {
  const error = await failure;
  if (error === null) return;
  const { messages } = await module.getCompilationInfo();
  const first = messages.find((message) => message.type === "error");
  if (first === undefined) throw new WeftError(`Cannot build ${label}: ${oneLine(error.message)}`);
  let number = first.lineNum, at = 0;
  const length = (file: ShaderFile): number => file.source.split("\n").length - 1;
  while (at < files.length - 1 && number > length(files[at])) number -= length(files[at++]);
  const line = files[at].source.split("\n")[number - 1]?.trim() ?? "";
  const what = first.message.split("\n")[0].replace(/^Shader '.*?' /, "");
  throw new WeftError(`${files[at].name}:${number}:${first.linePos}: ${what}: ${line}`);
}

function oneLine(text: string): string {
  return text.split("\n").map((line) => line.trim()).filter((line) => line !== "").join(" ");
}

/** Rewrites the tunable `const` lines that `constants` names; what it names beside them are overrides. */
function specialise(
  label: string,
  source: string,
  constants: Constants,
): { source: string; overrides: Record<string, number> } {
  const overrides: Record<string, number> = {};
  for (const [name, value] of Object.entries(constants)) {
    const tunable = new RegExp(`^(const ${name}: \\w+ = )[^;]+(;.*// tunable.*)$`, "m");
    if (tunable.test(source)) {
      source = source.replace(tunable, (_, head, tail) => `${head}${value}${tail}`);
    } else if (new RegExp(`override\\s+${name}\\b`).test(source)) {
      overrides[name] = value;
    } else {
      throw new WeftError(`${label} has neither an override nor a tunable constant named ${name}`);
    }
  }
  return { source: unroll(label, source), overrides };
}

/** Makes f16 of the element types of the buffers that hold it; all buffers whose types share an alias must. */
function withHalves(
  label: string,
  source: string,
  { bindings }: ParsedShader,
  buffers: readonly string[],
  halves: readonly boolean[],
): string {
  const aliases = new Map<string, { half: boolean; name: string }>();
  for (const [i, name] of buffers.entries()) {
    const element = bindings.get(name)?.element ?? "", half = halves[i] ?? false;
    const isAlias = new RegExp(`^alias ${element} = \\w+;`, "m").test(source);
    if (!isAlias && half && !/^(u32|vec4u)$/.test(element)) { // bits are bits
      throw new WeftError(`Cannot run ${label} as ${name} is f16: it takes f32; cast(${name}, "f32") gives that`);
    }
    const other = aliases.get(element);
    if (isAlias && other !== undefined && other.half !== half) {
      const [f16, f32] = half ? [name, other.name] : [other.name, name];
      throw new WeftError(
        `Cannot run ${label} as ${f16} is f16 and ${f32} is f32: cast one of them to the type of the other`,
      );
    }
    if (isAlias) aliases.set(element, { half, name });
  }
  let enable = "";
  for (const [element, { half }] of aliases) {
    if (!half) continue;
    enable = "enable f16; ";
    source = source.replace(new RegExp(`^alias ${element} = \\w+;`, "m"), `alias ${element} = f16;`);
  }
  return enable + source;
}

function parseShader(label: string, source: string): ParsedShader {
  const text = source.replace(/\/\/.*$/gm, "");
  const bindings = new Map<string, Binding>();
  let uniform: number | undefined;
  const declaration =
    /@group\(0\)\s*@binding\((\d+)\)\s*var<\s*(\w+)\s*(?:,\s*(\w+)\s*)?>\s*(\w+)\s*:\s*(?:array<\s*(?:vec4<)?\s*(\w+))?/g;
  for (const [, index, space, access, name, element = ""] of text.matchAll(declaration)) {
    if (space === "uniform") uniform = Number(index);
    else bindings.set(name, { index: Number(index), writable: access === "read_write", element });
  }
  const body = /struct\s+Params\s*\{([^}]*)\}/.exec(text)?.[1];
  if (uniform !== undefined && body === undefined) {
    throw new WeftError(`${label} has a uniform but no struct Params`);
  }
  const fields: Field[] = [];
  let bytes = 0;
  for (const member of (body ?? "").matchAll(/(\w+)\s*:\s*([^,;]*<[^>]*>|\w+)/g)) {
    const [, name, type] = member;
    const match = /^(?:array<\s*)?(vec4)?<?\s*(u32|i32|f32|u|i|f)\s*>?\s*(?:,\s*(\d+)\s*>)?$/.exec(
      type.trim(),
    );
    if (match === null) throw new WeftError(`${label}: Params.${name} is ${type}, which Weft cannot write`);
    const count = (match[1] ? 4 : 1) * Number(match[3] ?? 1);
    const align = match[1] ? 16 : 4;
    const offset = Math.ceil(bytes / align) * align;
    const kind = match[2].length === 1 ? `${match[2]}32` as Field["kind"] : match[2] as Field["kind"];
    fields.push({ name, kind, count, offset });
    bytes = offset + count * 4;
  }
  return { bindings, uniform, fields, paramsBytes: Math.ceil(bytes / 16) * 16 };
}

function workgroupSize(label: string, source: string, entry: string): number {
  const text = source.replace(/\/\/.*$/gm, "");
  const match = new RegExp(`@workgroup_size\\(([^)]*)\\)\\s*fn\\s+${entry}\\b`).exec(text);
  if (match === null) throw new WeftError(`${label}: the file has no compute entry point of that name`);
  return match[1].split(",").map((part) => part.trim()).filter((part) => part !== "").reduce(
    (product, part) => {
      const literal = /^\d+/.exec(part)?.[0] ??
        new RegExp(`const\\s+${part}\\b[^=]*=\\s*(\\d+)`).exec(text)?.[1];
      if (literal === undefined) {
        throw new WeftError(`${label}: workgroup_size(${match[1]}) is not made of constants`);
      }
      return product * Number(literal);
    },
    1,
  );
}

function writeParams(
  label: string,
  fields: readonly Field[],
  view: DataView,
  base: number,
  params: Params,
): void {
  let given = 0;
  for (const _ in params) given++;
  if (given !== fields.length) {
    const want = fields.map((field) => field.name).join(", ");
    throw new WeftError(
      `${label} takes the parameters (${want}) and was given (${Object.keys(params).join(", ")})`,
    );
  }
  for (const { name, kind, count, offset } of fields) {
    const value = params[name];
    if (value === undefined) throw new WeftError(`${label} was not given the parameter ${name}`);
    for (let i = 0; i < count; i++) {
      const number = typeof value === "number" ? value : value[i] ?? 0;
      const at = base + offset + i * 4;
      if (kind === "f32") view.setFloat32(at, number, true);
      else view.setUint32(at, number, true); // two's complement serves i32 too
    }
  }
}
