// The course, 1 of 4: a text becomes numbers. A language model knows nothing of letters: it gets one whole number for
// each piece of text, a token. Here each character is a token, the simplest way that loses nothing.
//   deno run --allow-read examples/course_1_characters.ts [TEXT_FILE]
import { CharTokenizer, readTextFile } from "../mod.ts";

const text = await readTextFile(Deno.args[0] ?? `${import.meta.dirname}/jack.txt`);
console.log(`The text has ${text.length} characters and begins: ${JSON.stringify(text.slice(0, 60))}`);

// The vocabulary: every character that occurs, once, in a fixed order. Its place in that order is its number.
const tokenizer = CharTokenizer.fromText(text), V = tokenizer.vocabSize;
console.log(`\nvocabulary: ${V} characters, from ${JSON.stringify(tokenizer.characters[0])} on`);
console.log(tokenizer.characters.join("").trim());

// Encoding looks up the number of each character, decoding the character of each number.
const word = text.match(/\w{5,}/)?.[0] ?? text.slice(0, 5), ids = tokenizer.encode(word);
console.log(`\nencode(${JSON.stringify(word)}) = [${ids.join(", ")}]`);
console.log(`decode([${ids.join(", ")}]) = ${JSON.stringify(tokenizer.decode(ids))}`);

// Nothing is lost on the way: the whole text comes back.
const tokens = tokenizer.encode(text);
console.log(`decode(encode(text)) is the text: ${tokenizer.decode(tokens) === text}`);

// A character that is not in the vocabulary has no number. That is an error, not a guess.
const unknown = ["é", "ж", "語", "☃"].find((character) => !tokenizer.characters.includes(character))!;
try {
  tokenizer.encode(unknown);
} catch (error) {
  console.log(`encode(${JSON.stringify(unknown)}): ${(error as Error).message}`);
}

// How well could one guess the next character? The loss of a guess is −ln of the probability that it gave to the
// character that came. Who knows nothing gives each of V characters 1 / V, and has a loss of ln V. Who knows how often
// each character occurs does better, by as much as some are more frequent than others. All models that follow are
// measured against these two numbers.
const counts = new Float64Array(V);
for (const id of tokens) counts[id]++;
let loss = 0;
for (const count of counts) loss -= count / tokens.length * Math.log(count / tokens.length);
const frequent = [...counts.keys()].sort((a, b) => counts[b] - counts[a]).slice(0, 8);
console.log("\nthe most frequent characters:");
for (const id of frequent) {
  const share = (100 * counts[id] / tokens.length).toFixed(1);
  console.log(`  ${JSON.stringify(tokenizer.characters[id]).padEnd(4)} number ${String(id).padEnd(3)} ${share} %`);
}
console.log(`\nguessing at random: loss ${Math.log(V).toFixed(4)}`);
console.log(`guessing by frequency: loss ${loss.toFixed(4)}`);
