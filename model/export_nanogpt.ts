import { stridesOf } from "../engine/shape.ts";
import { CharTokenizer } from "./char_tokenizer.ts";
import type { ExportFiles } from "./export_files.ts";
import { exportTensor, isLinearWeight, type StoredType } from "./export_tensor.ts";
import type { Gpt } from "./gpt.ts";
import { encodePickle, PickleCall, PickleGlobal, PicklePersistent, type PickleValue } from "./pickle.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { encodeZip, type ZipEntry } from "./zip.ts";

/** What a checkpoint of nanoGPT says beside its weights. */
export interface NanoGptOptions {
  /** How weights are stored. Default: f32. */
  readonly dtype?: StoredType;
  /** Steps that were taken. Default: 0. */
  readonly step?: number;
  /** Lowest validation loss. Default: nanoGPT's 1e9, of none so far. */
  readonly bestValidation?: number;
  /** Folder of nanoGPT's data/ where sample.py looks for the `meta.pkl` of a tokenizer of characters. */
  readonly dataset: string;
}

const storages: Record<StoredType, string> = { f32: "FloatStorage", f16: "HalfStorage", bf16: "BFloat16Storage" };

/**
 * The files of a folder that nanoGPT samples from: `ckpt.pt`, a dict with `model`, `model_args`, `iter_num`,
 * `best_val_loss` and `config` as torch.save writes it; and `meta.pkl`, where the tokenizer is one of characters. Weights
 * of linear layers are (out, in), as nn.Linear has them. There is no optimizer: nanoGPT cannot go on with the training.
 *
 * nanoGPT computes GELU by erf, and so it does with weights that were trained with the tanh form.
 *
 * @example
 * ```ts
 * import { Gpu } from "../engine/gpu.ts";
 * import { CharTokenizer } from "./char_tokenizer.ts";
 * import { exportNanoGpt } from "./export_nanogpt.ts";
 * import { Gpt } from "./gpt.ts";
 *
 * using gpu = await Gpu.open();
 * const tokenizer = CharTokenizer.fromText("abcdefgh");
 * const model = new Gpt(gpu, { n_layer: 1, n_head: 2, n_embd: 8, block_size: 4, vocab_size: 8 });
 * const files = exportNanoGpt(model, tokenizer, { dataset: "letters" });
 * console.log(Object.keys(files)); // ["ckpt.pt", "meta.pkl"]
 * for await (const bytes of files["ckpt.pt"]()) console.log(bytes.length); // what to write, piece by piece
 * ```
 */
export function exportNanoGpt(gpt: Gpt, tokenizer: Tokenizer, options: NanoGptOptions): ExportFiles {
  const isOfCharacters = tokenizer instanceof CharTokenizer;
  return {
    "ckpt.pt": () => encodeZip(checkpointEntries(gpt, options, isOfCharacters)),
    ...isOfCharacters ? { "meta.pkl": () => [encodePickle(metaOf(tokenizer))] } : {},
  };
}

/** The files of a torch.save archive: a pickle, and the bytes of each tensor, which the pickle names. */
function* checkpointEntries(gpt: Gpt, options: NanoGptOptions, hasMeta: boolean): Generator<ZipEntry> {
  const { dtype = "f32", step = 0, bestValidation = 1e9, dataset } = options;
  const state = new Map<PickleValue, PickleValue>(), entries: ZipEntry[] = [];
  for (const [name, parameter] of gpt.parameters()) {
    const { shape, read } = exportTensor(parameter, { dtype, transpose: isLinearWeight(name) });
    const key = String(entries.length);
    entries.push({ name: `ckpt/data/${key}`, read });
    const type = new PickleGlobal("torch", storages[dtype]);
    const storage = new PicklePersistent(["storage", type, key, "cpu", parameter.size]);
    const hooks = new PickleCall(new PickleGlobal("collections", "OrderedDict"), []);
    const rebuild = new PickleGlobal("torch._utils", "_rebuild_tensor_v2");
    const tensor = new PickleCall(rebuild, [storage, 0, shape, stridesOf(shape), false, hooks]);
    state.set(`transformer.${name}`, tensor);
    if (name === "wte.weight") state.set("lm_head.weight", tensor); // the same storage: they are tied
  }
  const { n_layer, n_head, n_embd, block_size, vocab_size, bias = true, dropout = 0 } = gpt.config;
  const config = { n_layer, n_head, n_embd, block_size, bias, vocab_size, dropout };
  const checkpoint = dictOf({
    model: state,
    model_args: dictOf(config),
    iter_num: step,
    best_val_loss: bestValidation,
    config: dictOf(hasMeta ? { dataset } : {}),
  });
  const file = (name: string, contents: Uint8Array<ArrayBuffer>): ZipEntry => ({
    name: `ckpt/${name}`,
    read: () => Promise.resolve(contents),
  });
  yield file("data.pkl", encodePickle(checkpoint));
  yield file("byteorder", new TextEncoder().encode("little"));
  yield* entries;
  yield file("version", new TextEncoder().encode("3\n"));
}

/** What nanoGPT's prepare.py writes of a text's characters. */
function metaOf({ characters, vocabSize }: CharTokenizer): PickleValue {
  return dictOf({
    vocab_size: vocabSize,
    itos: new Map(characters.entries()),
    stoi: new Map(characters.map((character, id) => [character, id])),
  });
}

function dictOf(values: Readonly<Record<string, PickleValue>>): PickleValue {
  return new Map(Object.entries(values));
}
