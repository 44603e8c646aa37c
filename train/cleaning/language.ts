import { languageProfiles } from "./language_profiles.ts";
import type { StageDefinition } from "./stage.ts";

/** Scripts that are told apart by their letters alone. */
const scripts: readonly (readonly [string, RegExp])[] = [
  ["cyrillic", /[\u0400-\u052f]/g],
  ["arabic", /[\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff]/g],
  ["greek", /[\u0370-\u03ff\u1f00-\u1fff]/g],
  ["hebrew", /[\u0590-\u05ff]/g],
  ["devanagari", /[\u0900-\u097f]/g],
  ["thai", /[\u0e00-\u0e7f]/g],
  ["hangul", /[\u1100-\u11ff\uac00-\ud7af]/g],
  ["kana", /[\u3040-\u30ff]/g],
  ["cjk", /[\u3400-\u9fff\uf900-\ufaff]/g],
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

const sampleLength = 2000, samples = 4;
const wordWeight = 1, partWeight = 0.25, fullEvidence = 0.2;
const longestPart = 5; // letters

/** Bits of the languages that have a word, or a beginning, ending or letter of words. */
const words = new Map<string, number>(), parts = new Map<string, number>();
for (const [i, { words: frequent, parts: typical }] of Object.values(languageProfiles).entries()) {
  for (const word of frequent.split(" ")) words.set(word, (words.get(word) ?? 0) | 1 << i);
  for (const part of typical.split(" ")) parts.set(part, (parts.get(part) ?? 0) | 1 << i);
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
  const sample = sampleOf(text);
  const letters = (sample.match(/\p{L}/gu) ?? []).length;
  if (letters === 0) return { language: "", score: 0 };
  // deno-lint-ignore no-control-regex
  if (/[^\x00-\u02ff\u2000-\u206f]/.test(sample)) {
    const counts = scripts.map(([, pattern]) => (sample.match(pattern) ?? []).length);
    const [kana, cjk] = [counts.at(-2)!, counts.at(-1)!];
    // Japanese mixes both; Chinese has next to no Kana
    if (kana > 0.1 * (kana + cjk)) counts.splice(-2, 2, kana + cjk, 0);
    const most = counts.indexOf(Math.max(...counts));
    if (counts[most] > letters / 2) return { language: scripts[most][0], score: Math.min(1, counts[most] / letters) };
  }
  const latin = (sample.match(/[a-zA-Z\u00c0-\u024f]/g) ?? []).length;
  const { language, score } = latinLanguage(sample);
  return { language, score: score * latin / letters };
}

function sampleOf(text: string): string {
  if (text.length <= sampleLength * samples) return text;
  const step = (text.length - sampleLength) / (samples - 1);
  return Array.from({ length: samples }, (_, i) => text.substr(Math.floor(i * step), sampleLength)).join(" ");
}

function latinLanguage(sample: string): { language: string; score: number } {
  const evidence = new Float64Array(languages.length);
  let count = 0;
  const take = (bits: number, weight: number) => {
    let shared = 0;
    for (let rest = bits; rest !== 0; rest &= rest - 1) shared++;
    for (let i = 0; i < languages.length; i++) if ((bits >> i & 1) !== 0) evidence[i] += weight / shared;
  };
  for (const [word] of sample.toLowerCase().matchAll(/\p{L}+/gu)) {
    count++;
    const known = words.get(word);
    if (known !== undefined) {
      take(known, wordWeight);
      continue;
    }
    for (let length = 2; length <= Math.min(longestPart, word.length - 1); length++) {
      const begin = parts.get(`${word.slice(0, length)}-`), end = parts.get(`-${word.slice(-length)}`);
      if (begin !== undefined) take(begin, partWeight);
      if (end !== undefined) take(end, partWeight);
    }
    for (let i = 0; i < word.length; i++) {
      const letter = word.charCodeAt(i) < 0x80 ? undefined : parts.get(word[i]);
      if (letter !== undefined) take(letter, partWeight);
    }
  }
  const order = languages.map((_, i) => i).sort((a, b) => evidence[b] - evidence[a]);
  const best = evidence[order[0]], second = evidence[order[1]];
  if (best === 0) return { language: "", score: 0 };
  return { language: languages[order[0]], score: best / (best + second) * Math.min(1, best / (fullEvidence * count)) };
}
