import type { Document } from "../train/cleaning/document.ts";

/** Random numbers for generated texts: a linear congruential generator of 32 bits, of which the high ones are taken. */
export class Draws {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed + 1, 0x9e3779b1) | 0;
    for (let i = 0; i < 4; i++) this.uniform();
  }

  /** From 0 to below 1. */
  uniform(): number {
    this.#state = Math.imul(this.#state, 1664525) + 1013904223 | 0;
    const word = this.#state ^ this.#state >>> 15;
    return (Math.imul(word, 0x2c1b3c6d) >>> 8) / 2 ** 24;
  }

  /** A whole number from 0 to below a bound. */
  below(bound: number): number {
    return Math.floor(this.uniform() * bound);
  }

  /** One of a list. */
  of<T>(list: ArrayLike<T>): T {
    return list[this.below(list.length)];
  }

  /** That many digits, the first of them not 0. */
  digits(count: number): string {
    return Array.from({ length: count }, (_, i) => i === 0 ? 1 + this.below(9) : this.below(10)).join("");
  }

  /** That many characters of an alphabet. */
  signs(count: number, alphabet: string): string {
    return Array.from({ length: count }, () => this.of(alphabet)).join("");
  }
}

const frequent =
  ("the of and to in a is that for it as was with be by on not he his but at are this have from or had " +
    "an they which one you were all her she there would their we him been has when who will no more if out so up said")
    .split(" ");

/** Words by rank: English function words, then made ones. */
function makeVocabulary(size: number): string[] {
  const draws = new Draws(0), words = new Set(frequent);
  while (words.size < size) {
    let word = "";
    for (let i = draws.below(3); i >= 0; i--) {
      word += draws.of(["b", "br", "c", "d", "f", "g", "gr", "h", "l", "m", "n", "p", "pl", "r", "s", "st", "t", "w"]);
      word += draws.of(["a", "e", "i", "o", "u", "ea", "ou"]) + draws.of(["", "", "n", "r", "l", "nd", "st"]);
    }
    words.add(word);
  }
  return [...words];
}

const vocabulary = makeVocabulary(30_000);

/** A word by Zipf's law: the probability of rank r is about 1 / r. */
export function drawWord(draws: Draws): string {
  return vocabulary[Math.floor(vocabulary.length ** draws.uniform()) - 1];
}

/** Sentences in paragraphs, of about that many words. */
export function drawText(draws: Draws, words: number): string {
  let text = "", left = words, sentences = 0;
  while (left > 0) {
    const length = Math.min(left, 6 + draws.below(18));
    const sentence = Array.from({ length }, () => drawWord(draws)).join(" ");
    text += sentence[0].toUpperCase() + sentence.slice(1) + draws.of([". ", ". ", ". ", "? ", "! "]);
    if (++sentences % 6 === 0) text = text.trimEnd() + "\n\n";
    left -= length;
  }
  return text.trimEnd();
}

/** A text with some of its words replaced so that the Jaccard similarity of its sequences of n words is about that. */
export function nearDuplicateOf(text: string, similarity: number, draws: Draws, n = 5): string {
  const words = text.split(/(\s+)/), count = (words.length + 1) / 2, sequences = count - n + 1;
  const lost = Math.round(sequences * (1 - similarity) / (1 + similarity));
  const replace = (place: number) => {
    const end = /[.?!]?$/.exec(words[2 * place])![0];
    words[2 * place] = `x${draws.signs(7, "bcdfghklmnprstw")}${end}`; // no word of the vocabulary
  };
  // places far enough apart lose n sequences each, one near the beginning fewer
  const places = Math.floor(lost / n), step = (count - 2 * n) / Math.max(1, places);
  for (let i = 0; i < places; i++) replace(Math.floor(2 * n + step * i + Math.max(0, step - n) * draws.uniform()));
  if (lost % n > 0) replace(lost % n - 1);
  return words.join("");
}

/** The Jaccard similarity of the sets of sequences of n words of two texts. */
export function jaccard(a: string, b: string, n = 5): number {
  const [first, second] = [a, b].map((text) => {
    const words = text.toLowerCase().replaceAll(/[^\p{L}\p{N}\s]/gu, "").split(/\s+/);
    return new Set(words.slice(0, Math.max(1, words.length - n + 1)).map((_, i) => words.slice(i, i + n).join(" ")));
  });
  const shared = first.intersection(second).size;
  return shared / (first.size + second.size - shared);
}

const lettersAndDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** Something private of a type, as people write it. */
export function drawPrivate(type: string, draws: Draws): string {
  const name = () => draws.signs(3 + draws.below(6), "abcdefghijklmnoprstuvw");
  switch (type) {
    case "EMAIL":
      return `${name()}${draws.of(["", ".", "_", "+", "-"])}${name()}${draws.of(["", draws.digits(2)])}@${name()}.${
        draws.of(["com", "org", "co.uk", "de", "museum"])
      }`;
    case "IP":
      return draws.uniform() < 0.5
        ? Array.from({ length: 4 }, () => draws.below(256)).join(".")
        : draws.of([8, 5]) === 8
        ? Array.from({ length: 8 }, () => (1 + draws.below(0xfffe)).toString(16)).join(":")
        : `2001:db8:${(1 + draws.below(0xfffe)).toString(16)}::${(1 + draws.below(0xfffe)).toString(16)}`;
    case "PHONE": {
      const area = `${2 + draws.below(8)}${draws.digits(2)}`, office = `${2 + draws.below(8)}${draws.digits(2)}`;
      return draws.of([
        `(${area}) ${office}-${draws.digits(4)}`,
        `${area}-${office}-${draws.digits(4)}`,
        `${area}.${office}.${draws.digits(4)}`,
        `+1 ${area} ${office} ${draws.digits(4)}`,
        `+49 30 ${draws.digits(7)}`,
        `+44 20 ${draws.digits(4)} ${draws.digits(4)}`,
        `+33${draws.digits(9)}`,
        `030 ${draws.digits(7)}`,
        `0171/${draws.digits(7)}`,
        `020 ${draws.digits(4)} ${draws.digits(4)}`,
      ]);
    }
    case "CARD": {
      const length = draws.of([15, 16]);
      const start = length === 15
        ? draws.of(["34", "37"]) + draws.digits(12)
        : draws.of(["4", "51", "55", "6011"]).padEnd(15, draws.digits(14));
      const whole = Array.from({ length: 10 }, (_, last) => start + last).find(isLuhn)!;
      const groups = length === 15 ? /^(.{4})(.{6})(.{5})$/ : /^(.{4})(.{4})(.{4})(.{4})$/;
      const separator = draws.of(["", " ", "-"]);
      return groups.exec(whole)!.slice(1).join(separator);
    }
    case "IBAN": {
      const [country, account] = draws.of([
        ["DE", draws.digits(18)],
        ["GB", draws.signs(4, "ABCDEFGH") + draws.digits(14)],
        ["FR", draws.digits(23)],
        ["NL", draws.signs(4, "ABCDEFGH") + draws.digits(10)],
      ]);
      const number = BigInt([...account + country + "00"].map((sign) => parseInt(sign, 36)).join(""));
      const whole = country + String(98n - number % 97n).padStart(2, "0") + account;
      return draws.uniform() < 0.5 ? whole : whole.replaceAll(/.{4}(?=.)/g, "$& ");
    }
    case "API_KEY":
      return draws.of([
        `AKIA${draws.signs(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")}`,
        `ghp_${draws.signs(36, lettersAndDigits)}`,
        `xoxb-${draws.digits(12)}-${draws.signs(24, lettersAndDigits)}`,
        `sk-proj-${draws.signs(40, lettersAndDigits)}A1`,
        `sk_live_${draws.signs(24, lettersAndDigits)}`,
      ]);
    case "JWT":
      return `eyJhbGciOiJIUzI1NiJ9.eyJ${draws.signs(40, lettersAndDigits)}.${draws.signs(43, lettersAndDigits)}`;
    case "PRIVATE_KEY":
      return `-----BEGIN RSA PRIVATE KEY-----\n${
        Array.from({ length: 6 }, () => draws.signs(64, lettersAndDigits + "+/")).join("\n")
      }\n-----END RSA PRIVATE KEY-----`;
  }
  throw new Error(type);
}

function isLuhn(digits: string): boolean {
  const sum = [...digits].reverse().map(Number).map((digit, i) =>
    i % 2 === 0 ? digit : [0, 2, 4, 6, 8, 1, 3, 5, 7, 9][digit]
  );
  return sum.reduce((a, b) => a + b) % 10 === 0;
}

/** What a generated corpus has besides plain documents: shares of its documents. */
export interface CorpusShape {
  readonly seed: number;
  readonly documents: number;
  /** Mean length. Default: 300 words. */
  readonly words?: number;
  /** Copies of an earlier document, but for case and blanks. Default: 0.05. */
  readonly exact?: number;
  /** Documents that are like an earlier one, with a similarity from 0.8. Default: 0.05. */
  readonly near?: number;
  /** Documents with something private. Default: 0.1. */
  readonly private?: number;
}

/** A corpus of random documents with planted duplicates and private data; what was planted stands in the sources. */
export function* generateCorpus(shape: CorpusShape): Generator<Document> {
  const { seed, documents, words = 300, exact = 0.05, near = 0.05, private: withPrivate = 0.1 } = shape;
  const draws = new Draws(seed), recent: string[] = [];
  for (let i = 0; i < documents; i++) {
    const kind = draws.uniform();
    if (kind < exact && recent.length > 0) {
      yield { text: draws.of(recent).toUpperCase().replaceAll(". ", ".  ") + "\n", source: `exact:${i}` };
    } else if (kind < exact + near && recent.length > 0) {
      yield { text: nearDuplicateOf(draws.of(recent), 0.8 + 0.2 * draws.uniform(), draws), source: `near:${i}` };
    } else {
      let text = drawText(draws, Math.ceil(words * (0.4 + 1.2 * draws.uniform())));
      if (kind < exact + near + withPrivate) {
        text += ` Contact ${drawPrivate(draws.of(["EMAIL", "IP", "PHONE", "CARD", "IBAN", "API_KEY"]), draws)} now.`;
      } else if (recent.length < 100) recent.push(text);
      else recent[draws.below(100)] = text;
      yield { text, source: `plain:${i}` };
    }
  }
}
