import { charClasses, LETTER } from "./char_classes.ts";
import { languageProfiles } from "./language_profiles.ts";
import type { StageDefinition } from "./stage.ts";

/** Scripts that are told apart by their letters alone, as ranges of UTF-16 units: first, last, … */
const scripts: readonly (readonly [string, ...number[]])[] = [
  ["cyrillic", 0x400, 0x52f],
  ["arabic", 0x600, 0x6ff, 0x750, 0x77f, 0x8a0, 0x8ff],
  ["greek", 0x370, 0x3ff, 0x1f00, 0x1fff],
  ["hebrew", 0x590, 0x5ff],
  ["devanagari", 0x900, 0x97f],
  ["thai", 0xe00, 0xe7f],
  ["hangul", 0x1100, 0x11ff, 0xac00, 0xd7af],
  ["kana", 0x3040, 0x30ff],
  ["cjk", 0x3400, 0x9fff, 0xf900, 0xfaff],
];

const languages = Object.keys(languageProfiles);

/** What `language` tells apart: languages of Latin letters by their codes, everything else by its script. */
export const knownLanguages: readonly string[] = [...languages, ...scripts.map(([name]) => name)];

/** Options of the stage `language`. */
export const languageOptions = {
  allow: { type: "list", default: ["en"], choices: knownLanguages, help: "languages and scripts that stay" },
  min_score: { type: "real", default: 0.5, min: 0, max: 1, help: "least score of the language that is found" },
} as const;

/**
 * Keeps texts in some languages. There is no model behind it: frequent words, beginnings and endings of words, and
 * letters are counted against short profiles, in up to four stretches of the text. That tells prose of some sentences
 * apart; it is no match for a trained classifier on short, mixed or listy texts, does not know languages that have no
 * profile (they score low, or as their nearest relative: Norwegian as Danish, Afrikaans as Dutch, Catalan as Spanish),
 * and takes every language of another script as that script: Russian and Bulgarian are both "cyrillic".
 */
export const language: StageDefinition<typeof languageOptions> = {
  help: "keeps texts in some languages, told by frequent words and by scripts",
  options: languageOptions,
  prepare: ({ allow, min_score }) => (text) => {
    const { language, score } = detectLanguage(text);
    if (score < min_score) return { dropped: "no language is certain" };
    return allow.includes(language) ? { text } : { dropped: `language ${language}` };
  },
};

const sampleLength = 400, samples = 4;
const wordWeight = 1, partWeight = 0.25, fullEvidence = 0.2;
const longestPart = 5; // letters
const lastLatin = 0x24f;

/** Bits of the languages that have a word, a beginning or ending of words, or a letter; by hash of its letters. */
const words = new Map<number, number>(), begins = new Map<number, number>(), ends = new Map<number, number>();
const letters = new Map<number, number>();
for (const [i, profile] of Object.values(languageProfiles).entries()) {
  const add = (map: Map<number, number>, key: number) => map.set(key, (map.get(key) ?? 0) | 1 << i);
  const hashOf = (units: string) => [...units].reduce((hash, unit) => hashStep(hash, unit.charCodeAt(0)), 0);
  for (const word of profile.words.split(" ")) add(words, hashOf(word));
  for (const part of profile.parts.split(" ")) {
    if (part.endsWith("-")) add(begins, hashOf(part.slice(0, -1)));
    else if (part.startsWith("-")) add(ends, hashOf([...part.slice(1)].reverse().join("")));
    else add(letters, part.charCodeAt(0));
  }
}

function hashStep(hash: number, unit: number): number {
  return Math.imul(hash ^ unit, 0x9e3779b1) ^ hash >>> 15;
}

/**
 * The language or script of a text, and a score from 0 to 1: the share of the letters in its script, and for Latin
 * letters times its share of the evidence for it and for the next, less where there is little evidence.
 *
 * @example
 * ```ts
 * import { detectLanguage } from "./language.ts";
 * console.log(detectLanguage("Das ist ein Satz, der nicht auf Englisch geschrieben ist.").language); // de
 * ```
 */
export function detectLanguage(text: string): { language: string; score: number } {
  const evidence = new Evidence();
  if (text.length <= sampleLength * samples) evidence.read(text, 0, text.length);
  else {
    const step = (text.length - sampleLength) / (samples - 1);
    for (let i = 0; i < samples; i++) evidence.read(text, Math.floor(i * step), Math.floor(i * step) + sampleLength);
  }
  return evidence.verdict();
}

/** What the letters and words of a text speak for. */
class Evidence {
  readonly #byLanguage = new Float64Array(languages.length);
  readonly #byScript = new Uint32Array(scripts.length);
  #letters = 0;
  #latin = 0;
  #words = 0;

  /** Reads a stretch of a text; words that it cuts count as they are. */
  read(text: string, start: number, end: number): void {
    const { classes, lower } = charClasses();
    for (let at = start; at < end; at++) {
      let unit = text.charCodeAt(at);
      if ((classes[unit] & LETTER) === 0) continue;
      const from = at;
      let hash = 0;
      do {
        unit = lower[unit];
        this.#letters++;
        if (unit <= lastLatin) this.#latin++;
        else this.#count(unit);
        hash = hashStep(hash, unit);
        unit = ++at < end ? text.charCodeAt(at) : 32;
      } while ((classes[unit] & LETTER) !== 0);
      this.#words++;
      const known = words.get(hash);
      if (known !== undefined) this.#take(known, wordWeight);
      else this.#readParts(text, from, at, lower);
    }
  }

  #count(unit: number): void {
    for (let i = 0; i < scripts.length; i++) {
      const script = scripts[i];
      for (let j = 1; j < script.length; j += 2) {
        if (unit >= (script[j] as number) && unit <= (script[j + 1] as number)) this.#byScript[i]++;
      }
    }
  }

  #readParts(text: string, from: number, to: number, lower: Uint16Array): void {
    let begin = 0, end = 0;
    for (let i = 0; i < Math.min(longestPart, to - from - 1); i++) {
      begin = hashStep(begin, lower[text.charCodeAt(from + i)]);
      end = hashStep(end, lower[text.charCodeAt(to - 1 - i)]);
      if (i === 0) continue;
      this.#take(begins.get(begin), partWeight);
      this.#take(ends.get(end), partWeight);
    }
    for (let i = from; i < to; i++) {
      const unit = text.charCodeAt(i);
      if (unit >= 0x80) this.#take(letters.get(lower[unit]), partWeight);
    }
  }

  /** Gives a weight to the languages of some bits, each an equal share. */
  #take(bits: number | undefined, weight: number): void {
    if (bits === undefined) return;
    let shared = 0;
    for (let rest = bits; rest !== 0; rest &= rest - 1) shared++;
    for (let rest = bits; rest !== 0; rest &= rest - 1) {
      this.#byLanguage[31 - Math.clz32(rest & -rest)] += weight / shared;
    }
  }

  verdict(): { language: string; score: number } {
    if (this.#letters === 0) return { language: "", score: 0 };
    const counts = [...this.#byScript], [kana, cjk] = counts.slice(-2);
    // Japanese mixes both; Chinese has next to no Kana
    if (kana > 0.1 * (kana + cjk)) counts.splice(-2, 2, kana + cjk, 0);
    const most = counts.indexOf(Math.max(...counts));
    if (counts[most] > this.#letters / 2) return { language: scripts[most][0], score: counts[most] / this.#letters };
    const order = languages.map((_, i) => i).sort((a, b) => this.#byLanguage[b] - this.#byLanguage[a]);
    const best = this.#byLanguage[order[0]], second = this.#byLanguage[order[1]];
    if (best === 0) return { language: "", score: 0 };
    const enough = Math.min(1, best / (fullEvidence * this.#words));
    return { language: languages[order[0]], score: best / (best + second) * enough * this.#latin / this.#letters };
  }
}
