import { assertEquals, assertStringIncludes } from "@std/assert";
import { loadTokenizer } from "../train/tokenizer_file.ts";
import { readTextPieces } from "../train/text_pieces.ts";
import { inFolder, runTask } from "./_program.ts";
import { gpt2Tokenizer } from "./_gpt_ranks.ts";

const text = "\ufeffAll work and no play makes Jack a dull boy.\r\nJack's work: 12345 🙂 naïve\n".repeat(40);

const inFolderWithText = (body: (dir: string) => Promise<void>) =>
  inFolder(async (dir) => {
    await Deno.writeTextFile(`${dir}/text.txt`, text);
    await body(dir);
  });

const tokenizer = (args: readonly string[], cwd: string, input = "") => runTask("tokenizer", args, cwd, {}, input);

Deno.test("a tokenizer is trained, never written over unasked, and encodes files there and back", async () => {
  await inFolderWithText(async (dir) => {
    const train = ["train", "text.txt", "--vocab_size=300", "--special=<|endoftext|>,<|user|>", "--pattern=cl100k"];
    const trained = await tokenizer([...train, "--out=made/tokenizer.json"], dir);
    assertEquals(trained.code, 0, trained.stderr);
    assertStringIncludes(trained.stdout, "made/tokenizer.json: 300 tokens");
    const file = await Deno.readTextFile(`${dir}/made/tokenizer.json`);
    const again = await tokenizer([...train, "--out=made/tokenizer.json", "--vocab_size=280"], dir);
    assertEquals([again.code, again.stdout], [1, ""]);
    assertStringIncludes(again.stderr, "--vocab_size is given twice");
    const refused = await tokenizer(["train", "text.txt", "--out=made/tokenizer.json"], dir);
    assertEquals([refused.code, refused.stdout], [1, ""]);
    assertStringIncludes(
      refused.stderr,
      "error: made/tokenizer.json exists: write to another file, or over it with --over",
    );
    assertEquals(await Deno.readTextFile(`${dir}/made/tokenizer.json`), file);
    const replaced = await tokenizer(["train", "--input=text.txt", "--out=made/tokenizer.json", "--overwrite"], dir);
    assertEquals(replaced.code, 0, replaced.stderr);
    assertStringIncludes(replaced.stdout, "the text has no more pairs that occur 2 times");
    assertEquals(await Array.fromAsync(Deno.readDir(`${dir}/made`), ({ name }) => name), ["tokenizer.json"]);

    // from a file to a file, and from a pipe to a pipe; a folder stands for the file in it
    const encoded = await tokenizer(["encode", "text.txt", "--tokenizer=made", "--out=ids.txt"], dir);
    assertEquals([encoded.code, encoded.stdout], [0, ""], encoded.stderr);
    const ids = (await Deno.readTextFile(`${dir}/ids.txt`)).trim().split(" ").map(Number);
    assertEquals(ids, [...(await loadTokenizer(`${dir}/made`)).encode(text)]);
    const decoded = await tokenizer(["decode", "ids.txt", "--tokenizer=made/tokenizer.json"], dir);
    assertEquals([decoded.code, decoded.stdout], [0, text.slice(1)]); // the test's own decoder drops the mark
    const piped = await tokenizer(["encode", "--tokenizer=made"], dir, "Jack<|endoftext|>");
    const end = (await loadTokenizer(`${dir}/made`)).endOfText;
    assertEquals(piped.stdout.endsWith(` ${end}\n`) || piped.stdout === `${end}\n`, true, piped.stdout);
    const asText = await tokenizer(["encode", "--tokenizer=made", "--special_tokens=text"], dir, "Jack<|endoftext|>");
    assertEquals(asText.stdout.includes(String(end)), false);
    assertEquals(
      (await tokenizer(["decode", "--tokenizer=made"], dir, `[${asText.stdout.trim()}]`)).stdout,
      "Jack<|endoftext|>",
    );
  });
});

Deno.test("inspect shows tokens, compare a table", async () => {
  await inFolderWithText(async (dir) => {
    await Deno.writeTextFile(`${dir}/gpt2.json`, JSON.stringify(gpt2Tokenizer()));
    await Deno.writeTextFile(
      `${dir}/characters.json`,
      JSON.stringify({ type: "character", characters: [...new Set(text)].join("") }),
    );
    const shown = await tokenizer(["inspect", "--tokenizer=gpt2.json", "--text=To be\nnaïve\x1b[31m 🦙", "--ids"], dir);
    assertEquals(shown.code, 0, shown.stderr);
    assertStringIncludes(shown.stdout, "<|endoftext|> 50256");
    assertStringIncludes(shown.stdout, "\nTo(2514)| be(307)|↵(198)\nna(2616)|ïve(38776)|<U+001B>(215)|[(");
    assertStringIncludes(shown.stdout, "<f0><9f>(");
    assertStringIncludes(shown.stdout, "bytes per token");
    const colored = await tokenizer(["inspect", "--tokenizer=gpt2.json", "--text=To be", "--color=always"], dir);
    assertStringIncludes(colored.stdout, "m be\x1b[0m");
    const table = await tokenizer(["compare", "text.txt", "--tokenizers=gpt2.json,characters.json"], dir);
    assertEquals(table.code, 0, table.stderr);
    const lines = table.stdout.trim().split("\n").map((line) => line.split(/ {2,}/));
    assertEquals(lines[0], ["tokenizer", "vocabulary", "used", "tokens", "bytes/token", "MB/s", "decodes to the text"]);
    assertEquals(lines[2].slice(0, 2).concat(lines[2][3], lines[2][6]), [
      "characters.json",
      String(new Set(text).size),
      String([...text].length),
      "yes",
    ]);
    const [gpt2] = JSON.parse(
      (await tokenizer(["compare", "text.txt", "--tokenizers=gpt2.json", "--json"], dir)).stdout,
    );
    assertEquals(gpt2.tokens, gpt2Tokenizer().encode(text).length);
    assertEquals(gpt2.bytes_per_token, new TextEncoder().encode(text).length / gpt2.tokens);
  });
});

Deno.test("a tokenizer.json of another kind is read by Hugging Face's library", async () => {
  await inFolderWithText(async (dir) => {
    const file = { ...gpt2Tokenizer().toJSON(), normalizer: { type: "NFC" } };
    await Deno.writeTextFile(`${dir}/nfc.json`, JSON.stringify(file));
    const pieces = [["<unk>", 0], ["▁", -2], ["a", -3], ["b", -3], ["▁a", -1], ["ab", -1]];
    const metaspace = { type: "Metaspace", replacement: "▁", prepend_scheme: "always", split: true };
    const unigram = { type: "Unigram", unk_id: 0, vocab: pieces, byte_fallback: false };
    await Deno.writeTextFile(
      `${dir}/unigram.json`,
      JSON.stringify({
        ...file,
        normalizer: null,
        pre_tokenizer: metaspace,
        decoder: metaspace,
        model: unigram,
        added_tokens: [],
      }),
    );
    const nfc = await tokenizer(["encode", "--tokenizer=nfc.json"], dir, "nai\u0308ve");
    assertEquals([nfc.code, nfc.stdout], [0, `${gpt2Tokenizer().encode("naïve").join(" ")}\n`], nfc.stderr);
    const ids = await tokenizer(["encode", "--tokenizer=unigram.json"], dir, "ab a");
    assertEquals([ids.code, ids.stdout], [0, "1 5 4\n"], ids.stderr);
    assertEquals((await tokenizer(["decode", "--tokenizer=unigram.json"], dir, "1 5 4")).stdout, "ab a");
    assertStringIncludes((await tokenizer(["inspect", "--tokenizer=unigram.json"], dir)).stdout, "by its library");
    await Deno.writeTextFile(`${dir}/piece.json`, JSON.stringify({ ...file, model: { type: "WordPiece", vocab: {} } }));
    const refused = await tokenizer(["encode", "--tokenizer=piece.json"], dir, "a");
    assertEquals(refused.code, 1);
    assertStringIncludes(refused.stderr, "its normalizer is NFC");
  });
});

Deno.test("GPT-2's own files are a tokenizer, and what is none is named in one line", async () => {
  await inFolderWithText(async (dir) => {
    const gpt2 = gpt2Tokenizer(), { vocab, merges } = gpt2.toJSON().model;
    await Deno.mkdir(`${dir}/gpt2`);
    await Deno.writeTextFile(`${dir}/gpt2/encoder.json`, JSON.stringify(vocab));
    await Deno.writeTextFile(
      `${dir}/gpt2/vocab.bpe`,
      `#version: 0.2\n${merges.map((merge) => merge.join(" ")).join("\n")}\n`,
    );
    assertEquals((await loadTokenizer(`${dir}/gpt2`)).encode(text), gpt2.encode(text));
    await Deno.writeTextFile(`${dir}/bad.json`, "{");
    await Deno.writeTextFile(
      `${dir}/pieces.json`,
      JSON.stringify({ ...gpt2.toJSON(), model: { type: "WordPiece", vocab: [] } }),
    );
    await Deno.writeTextFile(`${dir}/ids.txt`, "1 2 x3\n");
    await Deno.writeTextFile(`${dir}/many.txt`, "1 2 99999\n");
    await Deno.writeFile(`${dir}/latin1.txt`, Uint8Array.of(0x61, 0xe9, 0x62));
    const cases: [string[], string][] = [
      [["trian"], "tokenizer trian is not known; did you mean train?"],
      [["qqqqqq"], "it is one of train, encode, decode, inspect, compare"],
      [["train"], "no text to learn from"],
      [["train", "none.txt"], "none.txt does not exist"],
      [["train", "gpt2"], "gpt2 is a directory: give a text file"],
      [["train", "latin1.txt"], "latin1.txt is not UTF-8"],
      [["train", "text.txt", "--vocab_size=100"], "vocab_size is 100: it must be a whole number from 257"],
      [["train", "text.txt", "--patern=gpt2"], "patern is not known; did you mean pattern?"],
      [["encode", "text.txt"], "tokenizer.json does not exist"],
      [["encode", "text.txt", "--tokenizer=bad.json"], "bad.json is not JSON"],
      [["encode", "text.txt", "--tokenizer=."], ". holds no tokenizer"],
      [
        ["encode", "text.txt", "--tokenizer=pieces.json"],
        "pieces.json: Weft cannot follow this tokenizer.json: its model is WordPiece",
      ],
      [["encode", "latin1.txt", "--tokenizer=gpt2"], "latin1.txt is not UTF-8"],
      [["encode", "text.txt", "--tokenizer=gpt2", "--out=text.txt"], "text.txt exists"],
      [["decode", "ids.txt", "--tokenizer=gpt2"], 'ids.txt holds "x3": it must hold ids'],
      [["decode", "many.txt", "--tokenizer=gpt2"], "Cannot decode the id 99999 at place 2"],
      [["compare", "text.txt"], "nothing to compare"],
    ];
    const runs = await Promise.all(cases.map(([args]) => tokenizer(args, dir)));
    for (const [i, { code, stdout, stderr }] of runs.entries()) {
      assertEquals([code, stdout], [1, ""], stderr);
      assertStringIncludes(stderr, cases[i][1]);
      assertEquals(stderr.trim().split("\n").length, 1, stderr);
    }
    for (const command of [[], ["train"], ["encode"], ["decode"], ["inspect"], ["compare"]]) {
      const { code, stdout } = await tokenizer([...command, "--help"], dir);
      assertEquals(code, 0);
      assertStringIncludes(stdout, `deno task tokenizer ${command[0] ?? "train"}`);
    }
  });
});

Deno.test("a text in pieces is the text: without its mark, with lines that end in LF, and characters whole", async () => {
  await inFolderWithText(async (dir) => {
    await Deno.writeTextFile(`${dir}/lines.txt`, "\ufeffa\r\n\r\rb🙂\r\nc\r");
    for (let size = 1; size < 12; size++) {
      const pieces = await Array.fromAsync(readTextPieces(`${dir}/lines.txt`, size));
      assertEquals(pieces.join(""), "a\n\n\nb🙂\nc\n");
    }
  });
});
