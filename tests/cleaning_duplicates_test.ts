import { assertEquals } from "@std/assert";
import { ExactDuplicates } from "../train/cleaning/exact_duplicates.ts";
import { MinHash, sketchSimilarity } from "../train/cleaning/minhash.ts";
import { NearDuplicates } from "../train/cleaning/near_duplicates.ts";
import { hashText } from "../train/cleaning/text_hash.ts";
import { UnionFind } from "../train/cleaning/union_find.ts";
import { WordScanner } from "../train/cleaning/word_scanner.ts";
import { WorkFolder } from "../train/work_folder.ts";
import { Draws, drawText, jaccard, nearDuplicateOf } from "./_generated_corpus.ts";

const hashOf = (text: string) => {
  const hash = new Uint32Array(4);
  hashText(text, hash);
  return hash.join(" ");
};

Deno.test("the hash of a text does not see case and white space, and sees everything else", () => {
  assertEquals(hashOf(" One\t TWO\n\nthree "), hashOf("one two three"));
  assertEquals(hashOf("ÄÖ\u00a0\u3000x"), hashOf("äö x"));
  const different = [
    "one two three",
    "onetwo three",
    "one two three.",
    "one two thre",
    "one three two",
    "",
    "a",
    "b",
    "aa",
  ];
  assertEquals(new Set(different.map(hashOf)).size, different.length);
});

Deno.test("the words of hashes are spread evenly, each bit by itself", () => {
  const count = 20_000, ones = new Uint32Array(128), hash = new Uint32Array(4), first = new Set<number>();
  for (let i = 0; i < count; i++) {
    hashText(`number ${i}`, hash);
    for (let bit = 0; bit < 128; bit++) ones[bit] += hash[bit >> 5] >>> (bit & 31) & 1;
    first.add(hash[i & 3]);
  }
  for (const sum of ones) assertEquals(Math.abs(sum - count / 2) < 5 * Math.sqrt(count) / 2, true, String(ones));
  assertEquals(first.size > count - 5, true); // 0.05 collisions of one word are expected
});

Deno.test("exact duplicates: all planted ones are found and nothing else, in 32 bytes per text", () => {
  const duplicates = new ExactDuplicates(), hash = new Uint32Array(8), draws = new Draws(1);
  const count = 200_000, seen = new Set<number>();
  for (let i = 0; i < count; i++) {
    const number = draws.uniform() < 0.3 ? draws.below(i + 1) : i;
    hashText(`text number ${number}`, hash, 4);
    assertEquals(duplicates.add(hash, 4), !seen.has(number));
    seen.add(number);
  }
  assertEquals(duplicates.size, seen.size);
  assertEquals(duplicates.bytes <= 32 * seen.size, true, `${duplicates.bytes / seen.size} bytes per text`);
});

Deno.test("a hash of zeros is a hash like others", () => {
  const duplicates = new ExactDuplicates(), zeros = new Uint32Array(4);
  assertEquals([duplicates.add(zeros), duplicates.add(zeros), duplicates.size], [true, false, 1]);
});

Deno.test("sets that are joined have their least number", () => {
  const sets = new UnionFind(10);
  for (const [a, b] of [[9, 8], [3, 4], [8, 4], [7, 7], [0, 6]]) sets.join(a, b);
  assertEquals([...sets.roots()], [0, 1, 2, 3, 3, 5, 0, 7, 3, 3]);
  assertEquals([sets.same(9, 3), sets.same(9, 0)], [true, false]);
});

const size = { bands: 20, rows: 8, words: 5 };

function signer(options = size) {
  const minHash = new MinHash(options), scanner = new WordScanner();
  return (text: string) => {
    const bands = new Uint32Array(2 * options.bands), sketch = new Uint8Array(options.bands * options.rows);
    return { signed: minHash.sign(scanner.scan(text), bands, 0, sketch, 0), bands, sketch };
  };
}

Deno.test("signatures do not see case and punctuation, and texts without words have none", () => {
  const sign = signer();
  assertEquals(sign("One two, three - four FIVE six!"), sign("one two three four five 'six'"));
  assertEquals(sign("One two").signed, true);
  assertEquals([sign(" ... -- !").signed, sign("").signed], [false, false]);
  assertEquals(sign("one two").sketch === sign("one three").sketch, false);
});

Deno.test("hash values agree with the Jaccard similarity as their probability", () => {
  const sign = signer(), draws = new Draws(5);
  for (const similarity of [0.3, 0.6, 0.8, 0.95]) {
    let sum = 0, squares = 0, exact = 0;
    const pairs = 60;
    for (let i = 0; i < pairs; i++) {
      const text = drawText(draws, 300), other = nearDuplicateOf(text, similarity, draws);
      const s = jaccard(text, other), estimate = sketchSimilarity(sign(text).sketch, 0, sign(other).sketch, 0, 160);
      sum += estimate - s;
      squares += (estimate - s) ** 2;
      exact += s * (1 - s) / 160; // the variance of a mean of independent hash values
    }
    assertEquals(
      Math.abs(sum / pairs) < 4 * Math.sqrt(exact / pairs / pairs),
      true,
      `bias ${sum / pairs} at ${similarity}`,
    );
    assertEquals(squares < 1.6 * exact, true, `variance ${squares / exact} at ${similarity}`);
  }
});

/** Clusters of texts. */
async function cluster(texts: readonly string[], options: { similarity: number; memory?: number }, shape = size) {
  const folder = await Deno.makeTempDir(), sign = signer(shape);
  try {
    using work = await WorkFolder.open(folder, "");
    const duplicates = new NearDuplicates(work, { ...shape, ...options });
    for (const text of texts) {
      const { signed, bands, sketch } = sign(text);
      if (signed) duplicates.add(bands, 0, sketch, 0);
      else duplicates.addUnsigned();
    }
    return duplicates.finish();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Texts, with a planted one after each that has that similarity, to 0.005. */
function planted(similarity: number, pairs: number, seed: number): string[] {
  const draws = new Draws(seed), texts: string[] = [];
  while (texts.length < 2 * pairs) {
    const text = drawText(draws, 500), other = nearDuplicateOf(text, similarity, draws);
    if (Math.abs(jaccard(text, other) - similarity) <= 0.005) texts.push(text, other);
  }
  return texts;
}

Deno.test("near duplicates: recall at 0.8 is 0.95 or more, and texts that are less alike stay", async () => {
  const lines: string[] = [];
  let removed = 0, right = 0;
  for (const similarity of [0.5, 0.6, 0.7, 0.8, 0.9]) {
    const pairs = similarity === 0.8 ? 800 : 200; // the one that must be exact
    const roots = await cluster(planted(similarity, pairs, 100 * similarity), { similarity: 0.72 });
    let found = 0;
    for (let i = 0; i < pairs; i++) {
      assertEquals(roots[2 * i], 2 * i); // no text is joined with one that has nothing to do with it
      if (roots[2 * i + 1] === 2 * i) found++;
      else assertEquals(roots[2 * i + 1], 2 * i + 1);
    }
    removed += found / pairs;
    if (similarity > 0.7) right += found / pairs;
    lines.push(`at ${similarity}: ${(found / pairs).toFixed(3)}`);
    if (similarity >= 0.8) assertEquals(found / pairs >= 0.95, true, lines.join(", "));
    if (similarity <= 0.6) assertEquals(found / pairs <= 0.02, true, lines.join(", "));
  }
  console.log(`removed ${lines.join(", ")}; precision ${(right / removed).toFixed(3)} where 0.8 and 0.9 are right`);
});

Deno.test("without sketches, candidates come as the formula of bands and rows says", async () => {
  const pairs = 300, shape = { bands: 14, rows: 8, words: 5 };
  for (const similarity of [0.7, 0.8]) {
    const expected = 1 - (1 - similarity ** 8) ** 14;
    const roots = await cluster(planted(similarity, pairs, 7), { similarity: 0 }, shape);
    const found = roots.filter((root, i) => root !== i).length / pairs;
    const deviation = Math.sqrt(expected * (1 - expected) / pairs);
    assertEquals(Math.abs(found - expected) < 4 * deviation, true, `${found} instead of ${expected} at ${similarity}`);
  }
});

Deno.test("near duplicates: clusters keep their first text, the same in one pass or many", async () => {
  const draws = new Draws(11), texts: string[] = [];
  for (let i = 0; i < 300; i++) {
    const kind = draws.uniform();
    if (i < 5 || kind < 0.6) texts.push(kind < 0.02 ? "..." : drawText(draws, 60));
    else texts.push(nearDuplicateOf(texts[draws.below(i)], 0.95, draws));
  }
  const one = await cluster(texts, { similarity: 0.72 }),
    many = await cluster(texts, { similarity: 0.72, memory: 500 });
  assertEquals(many, one);
  const removed = one.filter((root, i) => root !== i).length;
  assertEquals(removed > 80 && removed < 130, true, String(removed));
  for (const [i, root] of one.entries()) {
    assertEquals(root <= i && one[root] === root, true);
    if (texts[i] === "...") assertEquals(root, i);
  }
  assertEquals(await cluster([], { similarity: 0.72 }), new Uint32Array(0));
});

Deno.test("near duplicates: many different texts in one band are compared with a few, the rest passes", async () => {
  const folder = await Deno.makeTempDir();
  using work = await WorkFolder.open(folder, "");
  const duplicates = new NearDuplicates(work, { bands: 1, rows: 200, similarity: 0.9 });
  const draws = new Draws(2),
    sketches = Array.from({ length: 30 }, () => new Uint8Array(200).map(() => draws.below(256)));
  for (const sketch of sketches) duplicates.add(new Uint32Array([1, 2]), 0, sketch, 0);
  duplicates.add(new Uint32Array([1, 2]), 0, sketches[3], 0);
  duplicates.add(new Uint32Array([1, 3]), 0, sketches[3], 0);
  duplicates.add(new Uint32Array([1, 2]), 0, sketches[20], 0); // beyond those that are compared
  assertEquals([...duplicates.finish()].slice(-4), [29, 3, 31, 32]);
  await Deno.remove(folder, { recursive: true });
});
