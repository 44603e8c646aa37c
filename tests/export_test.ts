import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  Bigram,
  CharTokenizer,
  type Gpt,
  loadCheckpoint,
  readSafetensorsFile,
  readTensors,
  WeftError,
} from "../mod.ts";
import { exportCommand } from "../cli/export.ts";
import { gpuTest } from "./_check_op.ts";
import { huggingFace } from "./_huggingface.ts";
import { runTask } from "./_program.ts";
import { logitsOf, smallBpe, smallGpt, withRun } from "./_small_gpt.ts";

const names = async (folder: string) => (await Array.fromAsync(Deno.readDir(folder), ({ name }) => name)).sort();
const valuesOf = async (model: Gpt) => {
  const values = await readTensors([...model.parameters().values()]);
  return new Map([...model.parameters().keys()].map((name, i) => [name, values[i].data]));
};

gpuTest("safetensors: a folder as transformers opens it, which is the checkpoint again", async (gpu) => {
  const model = smallGpt(gpu, { dropout: 0.25 }), tokenizer = smallBpe();
  await withRun(model, tokenizer, async (folder) => {
    let printed = "";
    const args = [`--out_dir=${folder}/out`, "--to=safetensors", `--output=${folder}/hf/`];
    await exportCommand(args, (line) => printed += line);
    assertStringIncludes(printed, `${folder}/hf: model.safetensors, config.json`);
    const files = ["config.json", "generation_config.json", "model.safetensors", "tokenizer.json"];
    assertEquals(await names(`${folder}/hf`), [...files, "tokenizer_config.json"]);
    const config = JSON.parse(await Deno.readTextFile(`${folder}/hf/config.json`));
    assertEquals(
      [config.architectures, config.n_positions, config.n_ctx, config.torch_dtype, config.eos_token_id],
      [["GPT2LMHeadModel"], 8, 8, "float32", 264],
    );
    assertEquals(JSON.parse(await Deno.readTextFile(`${folder}/hf/generation_config.json`)), {
      bos_token_id: 264,
      eos_token_id: 264,
    });
    const file = `${folder}/hf/model.safetensors`;
    assertEquals((await readSafetensorsFile(file)).metadata, { format: "pt" });
    assertEquals(await Deno.readFile(file), await Deno.readFile(`${folder}/out/last/model.safetensors`));
    const read = await loadCheckpoint(gpu, `${folder}/hf`);
    assertEquals((read.model as Gpt).config, { ...model.config, bias: true, activation: "gelu_tanh" });
    assertEquals(await valuesOf(read.model as Gpt), await valuesOf(model));
    assertEquals(read.tokenizer.toJSON(), tokenizer.toJSON());

    // what was exported is exported again, byte by byte
    await exportCommand([`--out_dir=${folder}/hf`, "--to=safetensors", `--output=${folder}/again`], () => {});
    for (const name of await names(`${folder}/hf`)) {
      assertEquals(await Deno.readFile(`${folder}/again/${name}`), await Deno.readFile(`${folder}/hf/${name}`), name);
    }
  });
});

gpuTest(
  "safetensors: without biases zeros stand for them; characters become a tokenizer of Hugging Face",
  async (gpu) => {
    const tokenizer = CharTokenizer.fromText('a\nbé🙂" 0'), ids = new Int32Array([0, 5, 3, 7, 1, 2]);
    const model = smallGpt(gpu, { bias: false, activation: "gelu_erf", vocab_size: tokenizer.vocabSize });
    await withRun(model, tokenizer, async (folder) => {
      await exportCommand([`--out_dir=${folder}/out`, "--to=safetensors", `--output=${folder}/hf`], () => {});
      const read = await loadCheckpoint(gpu, `${folder}/hf`), loaded = read.model as Gpt;
      loaded.training = false;
      assertEquals(loaded.config.bias, true);
      assertEquals(await logitsOf(loaded, ids, [2, 3]), await logitsOf(model, ids, [2, 3]));
      assertEquals(read.tokenizer.toJSON(), tokenizer.toJSON());
      const theirs = huggingFace(JSON.parse(await Deno.readTextFile(`${folder}/hf/tokenizer.json`)));
      const text = '0 é\n"🙂\n  ab';
      assertEquals(theirs.encode(text).ids, [...tokenizer.encode(text)]);
      assertEquals(theirs.decode([...tokenizer.encode(text)]), text);
      const { eos_token_id } = JSON.parse(await Deno.readTextFile(`${folder}/hf/config.json`));
      assertEquals(eos_token_id, null); // otherwise transformers would take GPT-2's
    });
  },
);

gpuTest("safetensors: f16 and bf16 are the nearest numbers, and one that f16 lacks is an error", async (gpu) => {
  const model = smallGpt(gpu), bias = model.parameters().get("h.1.mlp.c_fc.bias")!;
  const special = Float32Array.from([
    1 / 3,
    1 + 2 ** -8,
    1 + 3 * 2 ** -8,
    -0,
    2 ** -24,
    1.5 * 2 ** -25,
    65504,
    Infinity,
    NaN,
  ]);
  new Uint32Array(special.buffer).fill(0x7fffffff, 8); // a NaN that rounding must not carry over into the sign
  const values = await bias.read();
  values.set(special);
  gpu.write(bias.storage, values);
  await withRun(model, smallBpe(), async (folder) => {
    const read = async (dtype: string) => {
      const output = `${folder}/${dtype}`;
      await exportCommand(
        [`--out_dir=${folder}/out`, "--to=safetensors", `--output=${output}`, `--dtype=${dtype}`],
        () => {},
      );
      const { tensors } = await readSafetensorsFile(`${output}/model.safetensors`);
      return tensors.get("h.1.mlp.c_fc.bias")!.data.slice(0, 9);
    };
    const nearest = Float32Array.from(special, (value) => Math.f16round(value));
    assertEquals(await read("f16"), nearest);
    const [third, even, odd, ...exact] = await read("bf16");
    assertEquals([third, even, odd], [0.333984375, 1, 1 + 2 ** -6]); // between two of them: to the even one
    assertEquals(exact, [-0, 2 ** -24, 1.5 * 2 ** -25, 65536, Infinity, NaN]);
    values[3] = -70_000;
    gpu.write(bias.storage, values);
  });
  await withRun(model, smallBpe(), async (folder) => {
    const args = [`--out_dir=${folder}/out`, "--to=safetensors", `--output=${folder}/f16`, "--dtype=f16"];
    await assertRejects(() => exportCommand(args), WeftError, "h.1.mlp.c_fc.bias holds -70000, which f16 cannot");
    assertEquals(await names(folder), ["out"]); // nothing half-written stays
  });
});

gpuTest("nothing is written over unasked, and never what is no export", async (gpu) => {
  await withRun(smallGpt(gpu), smallBpe(), async (folder) => {
    const args = (output: string, ...more: string[]) => [
      `--out_dir=${folder}/out`,
      "--to=safetensors",
      `--output=${folder}/${output}`,
      ...more,
    ];
    await exportCommand(args("hf"), () => {});
    await assertRejects(() => exportCommand(args("hf")), WeftError, "hf exists: write to another place, or over it");
    await exportCommand(args("hf", "--overwrite", "--dtype=bf16"), () => {});
    assertStringIncludes(await Deno.readTextFile(`${folder}/hf/config.json`), '"bfloat16"');
    for (const output of ["out", "out/last"]) {
      await assertRejects(() => exportCommand(args(output, "--overwrite")), WeftError, "which is not of an export");
    }
    assertEquals(await names(`${folder}/out`), ["last"]);
    await Deno.writeTextFile(`${folder}/file`, "x");
    await assertRejects(() => exportCommand(args("file", "--overwrite")), WeftError, "file cannot be read as a folder");
    assertEquals(await Deno.readTextFile(`${folder}/file`), "x");
  });
});

gpuTest("what cannot be exported or written is one line, and leaves nothing", async (gpu) => {
  const bigram = new Bigram(gpu, { vocab_size: 265, block_size: 4 });
  await withRun(bigram, smallBpe(), async (folder) => {
    const args = [`--out_dir=${folder}/out`, "--to=onnx", `--output=${folder}/onnx`];
    await assertRejects(() => exportCommand(args), WeftError, "out/last is not a GPT");
    assertEquals(await names(folder), ["out"]);
  });
  await withRun(smallGpt(gpu), smallBpe(), async (folder) => {
    const write = (to: string, output: string, ...more: string[]) =>
      exportCommand([`--out_dir=${folder}/out`, `--to=${to}`, `--output=${folder}/${output}`, ...more], () => {});
    await write("gguf", "model.gguf");
    const before = await Deno.readFile(`${folder}/model.gguf`);
    await assertRejects(() => write("gguf", "model.gguf"), WeftError, "model.gguf exists");
    await write("gguf", "model.gguf", "--overwrite", "--dtype=f16");
    assertEquals((await Deno.stat(`${folder}/model.gguf`)).size < before.length, true);
    await assertRejects(() => write("gguf", "out", "--overwrite"), WeftError, "out cannot be written");
    for (const to of ["gguf", "onnx"]) {
      await assertRejects(() => write(to, "model.gguf/x"), WeftError, "model.gguf/x cannot be ");
    }
    assertEquals(await names(folder), ["model.gguf", "out"]);
    assertEquals(await names(`${folder}/out`), ["last"]);
  });
});

gpuTest("the best checkpoint is taken where there is one, and nanoGPT's differences are told", async (gpu) => {
  const tokenizer = CharTokenizer.fromText("abc"), best = smallGpt(gpu, { vocab_size: 3 });
  await withRun(new Bigram(gpu, { vocab_size: 3, block_size: 4 }), tokenizer, async (folder) => {
    await withRun(best, tokenizer, async (other) => await Deno.rename(`${other}/out/last`, `${folder}/out/best`));
    const printed: string[] = [];
    const args = [`--out_dir=${folder}/out`, "--to=nanogpt", `--output=${folder}/abc`];
    await exportCommand(args, (line) => printed.push(line));
    assertEquals(printed.length, 3);
    assertStringIncludes(printed[0], "abc: ckpt.pt, meta.pkl, ");
    assertStringIncludes(printed[1], "nanoGPT's data/abc/");
    assertStringIncludes(printed[2], "GELU by erf");
  });
});

Deno.test("wrong options are one line", async () => {
  let printed = "";
  await exportCommand(["--help"], (line) => printed += line);
  assertStringIncludes(printed, "--to=safetensors|gguf|onnx|nanogpt");
  await assertRejects(() => exportCommand(["--output=x"]), WeftError, "--to is missing");
  await assertRejects(() => exportCommand(["--to=gguf"]), WeftError, "--output is missing");
  await assertRejects(
    () => exportCommand(["--to=ggml", "--output=x"]),
    WeftError,
    "it must be one of safetensors, gguf",
  );
  const absent = ["--out_dir=/no/such", "--to=gguf", "--output=/no/such.gguf"];
  await assertRejects(() => exportCommand(absent), WeftError, "/no/such holds no checkpoint");
});

Deno.test("the command prints errors without a stack", async () => {
  const { code, stdout, stderr } = await runTask("export", []);
  assertEquals([code, stdout, stderr], [
    1,
    "",
    `error: --to is missing: name the format, one of safetensors, gguf, onnx, nanogpt\n`,
  ]);
});
