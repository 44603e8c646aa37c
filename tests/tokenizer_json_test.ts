import { assertEquals, assertThrows } from "@std/assert";
import { WeftError } from "../engine/weft_error.ts";
import { BpeTokenizer } from "../model/bpe_tokenizer.ts";
import { byteCharacters } from "../model/byte_alphabet.ts";
import { CharTokenizer } from "../model/char_tokenizer.ts";
import { type Tokenizer, tokenizerFromJSON } from "../model/tokenizer.ts";
import { wordPatterns } from "../model/word_pattern.ts";
import { gpt2Tokenizer } from "./_gpt_ranks.ts";
import { huggingFace } from "./_huggingface.ts";

// deno-lint-ignore no-explicit-any -- files of all kinds, damaged ones among them
type Any = any;

const bytes = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte));
const longer = ["th", "the", " the", "__", "__p"].map((token) => new TextEncoder().encode(token));
const small = BpeTokenizer.fromRanks([...bytes, ...longer], {
  pattern: "cl100k",
  specialTokens: { "<|endoftext|>": 264 },
});

/** The file of the small tokenizer with changes. */
function changed(change: (file: Any) => void): unknown {
  const file = JSON.parse(JSON.stringify(small));
  change(file);
  return file;
}

Deno.test("a tokenizer goes through its file, and through Hugging Face's library", () => {
  for (const tokenizer of [small, gpt2Tokenizer()]) {
    const text = JSON.stringify(tokenizer), again = tokenizerFromJSON(JSON.parse(text)) as BpeTokenizer;
    assertEquals(JSON.stringify(again), text);
    assertEquals([again.vocabSize, again.endOfText, again.pattern], [
      tokenizer.vocabSize,
      tokenizer.endOfText,
      tokenizer.pattern,
    ]);
    const sample = "the __p 12345 theory<|endoftext|>the";
    assertEquals(again.encode(sample), tokenizer.encode(sample));
    const other = huggingFace(tokenizer.toJSON());
    assertEquals(other.encode(sample).ids, [...tokenizer.encode(sample)]);
    assertEquals(other.decode([...tokenizer.encode(sample)]), sample);
  }
});

Deno.test("tokenizerFromJSON() tells the kinds apart", () => {
  const characters: Tokenizer = CharTokenizer.fromText("hello");
  assertEquals(tokenizerFromJSON(JSON.parse(JSON.stringify(characters))) instanceof CharTokenizer, true);
  assertEquals(tokenizerFromJSON(small.toJSON()) instanceof BpeTokenizer, true);
  for (const bad of [null, 7, {}, [], { type: "bpe" }, "text"]) {
    assertThrows(() => tokenizerFromJSON(bad), WeftError, "This is no tokenizer");
  }
});

Deno.test("older and other spellings of the same are read", () => {
  const sample = "the theory of the 123 <|endoftext|>", ids = small.encode(sample);
  const spellings: ((file: Any) => void)[] = [
    (file) => file.model.merges = file.model.merges.map((merge: string[]) => merge.join(" ")),
    (file) => Object.assign(file.pre_tokenizer.pretokenizers[0], { behavior: "Removed", invert: true }),
    (file) => file.normalizer = { type: "Sequence", normalizers: [] },
    (file) => file.post_processor = { type: "ByteLevel", add_prefix_space: true, trim_offsets: false },
    (file) => file.post_processor = { type: "TemplateProcessing", single: [{ Sequence: { id: "A", type_id: 0 } }] },
    (file) => Object.assign(file.model, { continuing_subword_prefix: "", unk_token: "<|endoftext|>" }),
    (file) => delete file.model.vocab["<|endoftext|>"],
    (file) => delete file.model.type,
  ];
  for (const spelling of spellings) assertEquals(tokenizerFromJSON(changed(spelling)).encode(sample), ids);
  const split = (file: Any) => file.pre_tokenizer.pretokenizers[0].pattern.Regex = wordPatterns.gpt2.regex;
  assertEquals((tokenizerFromJSON(changed(split)) as BpeTokenizer).pattern, "gpt2");
});

Deno.test("a word that is a token is taken whole where the file says so", () => {
  const file = changed((file) => {
    file.model.vocab["Ġthat"] = 261;
    file.model.ignore_merges = true;
  });
  const tokenizer = tokenizerFromJSON(file) as BpeTokenizer, again = JSON.parse(JSON.stringify(tokenizer));
  assertEquals([...tokenizer.encode("the that")], [257, 261]);
  assertEquals(huggingFace(again).encode("the that").ids, [257, 261]);
  assertEquals([...tokenizerFromJSON(again).encode("the that")], [257, 261]);
});

Deno.test("what Weft does not have is named", () => {
  const cases: [(file: Any) => void, string][] = [
    [(file) => file.normalizer = { type: "NFC" }, "its normalizer is NFC"],
    [
      (file) => file.normalizer = { type: "Sequence", normalizers: [{ type: "Lowercase" }] },
      "its normalizer is Lowercase",
    ],
    [(file) => file.model.type = "Unigram", "its model is Unigram"],
    [(file) => file.model.byte_fallback = true, "its model.byte_fallback is true"],
    [(file) => file.model.dropout = 0.1, "its model.dropout is 0.1"],
    [(file) => file.model.end_of_word_suffix = "</w>", "its model.end_of_word_suffix is </w>"],
    [(file) => file.pre_tokenizer = { type: "Metaspace" }, "its pre_tokenizer is Metaspace"],
    [
      (file) => file.pre_tokenizer = { type: "ByteLevel", add_prefix_space: true },
      "its pre_tokenizer.add_prefix_space is true",
    ],
    [(file) => file.pre_tokenizer = { type: "Sequence" }, "its pre_tokenizer is Sequence"],
    [(file) => file.pre_tokenizer = { type: "ByteLevel", use_regex: false }, "ByteLevel with no pattern"],
    [(file) => file.pre_tokenizer.pretokenizers[1].use_regex = true, "Split + ByteLevel"],
    [
      (file) => file.pre_tokenizer.pretokenizers[0].pattern.Regex = "\\w+",
      'its pattern of the pre_tokenizer is {"Regex":"\\\\w+"}',
    ],
    [(file) => file.pre_tokenizer.pretokenizers[0].behavior = "MergedWithNext", "MergedWithNext with invert false"],
    [
      (file) =>
        file.post_processor = {
          type: "TemplateProcessing",
          single: [{ SpecialToken: { id: "<s>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
        },
      'its post_processor is TemplateProcessing that adds "<s>"',
    ],
    [(file) => file.post_processor = { type: "RobertaProcessing" }, "RobertaProcessing"],
    [(file) => file.decoder = { type: "WordPiece" }, "its decoder is WordPiece"],
    [(file) => file.truncation = { max_length: 5 }, 'its truncation is {"max_length":5}'],
    [(file) => file.added_tokens[0].lstrip = true, 'its lstrip of "<|endoftext|>" is true'],
  ];
  for (const [change, message] of cases) assertThrows(() => tokenizerFromJSON(changed(change)), WeftError, message);
});

Deno.test("what is damaged is named", () => {
  const cases: [(file: Any) => void, string][] = [
    [(file) => file.model = 5, "its model is no object"],
    [(file) => delete file.decoder, "its decoder is no object"],
    [(file) => delete file.pre_tokenizer, "its pre_tokenizer is no object"],
    [
      (file) => file.pre_tokenizer = { type: "Sequence", pretokenizers: [null, 5] },
      "a step of its pre_tokenizer is no object",
    ],
    [(file) => delete file.model.merges, "its model has no list of merges"],
    [(file) => file.model.merges = [["a"]], '["a"] is no merge'],
    [(file) => file.model.merges = ["a b c"], 'The merge "a b c" is damaged'],
    [(file) => file.model.merges.push(["z", "z"]), 'The merge of "z" and "z" needs the token "zz"'],
    [(file) => file.model.vocab.th = "x", 'the id of the token "th" is "x"'],
    [(file) => file.model.vocab.th = 0, "The id 0 belongs to two tokens"],
    [(file) => file.model.vocab.th = -1, 'The token "th" has the id -1'],
    [(file) => file.model.vocab.th = 1e9, 'The token "th" has the id 1000000000'],
    [(file) => file.model.vocab["a b"] = 999, 'The token "a b" is not written in the alphabet'],
    [(file) => delete file.model.vocab[byteCharacters[10]], 'no token for the byte 10 ("Ċ")'],
    [(file) => file.added_tokens = 5, "its added_tokens are no list"],
    [(file) => file.added_tokens = [{ id: 1 }], 'the added token {"id":1} needs an id and a content'],
    [(file) => file.added_tokens[0].id = 7, 'the added token "<|endoftext|>" is 7 there and 264 in the vocabulary'],
  ];
  for (const [change, message] of cases) assertThrows(() => tokenizerFromJSON(changed(change)), WeftError, message);
});

Deno.test("GPT-2's own files are read", () => {
  const gpt2 = gpt2Tokenizer(), { vocab, merges } = gpt2.toJSON().model;
  const text = ["#version: 0.2", ...merges.map((merge) => merge.join(" ")), ""].join("\n");
  const again = BpeTokenizer.fromGpt2(JSON.parse(JSON.stringify(vocab)), text);
  assertEquals(JSON.stringify(again), JSON.stringify(gpt2));
  assertEquals(again.endOfText, 50256);
  assertEquals(JSON.stringify(BpeTokenizer.fromGpt2(vocab, text.replaceAll("\n", "\r\n"))), JSON.stringify(gpt2));
  assertThrows(() => BpeTokenizer.fromGpt2(vocab, "Ġ\n"), WeftError, 'The merge "Ġ" is damaged');
  assertThrows(() => BpeTokenizer.fromGpt2({}, ""), WeftError, "no token for the byte");
});

Deno.test("ranks that are no tokenizer's are refused", () => {
  const options = { pattern: "gpt2" } as const, orphan = new TextEncoder().encode("abc");
  assertThrows(() => BpeTokenizer.fromRanks(bytes.slice(1), options), WeftError, "no token for the byte 0");
  assertThrows(
    () => BpeTokenizer.fromRanks([...bytes, orphan], options),
    WeftError,
    'The token "abc" of rank 256 is not made of two of lower rank',
  );
});
