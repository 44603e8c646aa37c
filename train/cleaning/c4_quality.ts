import type { StageDefinition } from "./stage.ts";

/** Options of the stage `boilerplate`. */
export const boilerplateOptions = {
  terminal_punctuation: { type: "bool", default: true, help: "lines must end in . ! ? … or a closing quotation mark" },
  min_words_per_line: { type: "int", default: 5, min: 0, help: "fewest words of a line" },
  max_word_length: { type: "int", default: 1000, min: 1, help: "a line with a longer word goes" },
  javascript: { type: "bool", default: true, help: "lines that tell of Javascript go" },
  policy: { type: "bool", default: true, help: "lines about cookies, privacy policies and terms of use go" },
  navigation: { type: "bool", default: true, help: "lines that are a row of links go" },
} as const;

/**
 * Removes lines that are no text of the page, by the rules of C4 (Raffel et al., "Exploring the Limits of Transfer
 * Learning", 2020, section 2.2), and rows of links such as "Home | About | Contact". Blank lines stay.
 *
 * `terminal_punctuation` takes headings, lists and poems along, as it did in C4; so does `min_words_per_line`.
 */
export const boilerplate: StageDefinition<typeof boilerplateOptions> = {
  help: "removes lines by C4's rules: no end of a sentence, few words, Javascript, cookies, policies, navigation",
  options: boilerplateOptions,
  prepare(options) {
    const longWord = new RegExp(`\\S{${options.max_word_length + 1}}`);
    const isText = (line: string): boolean => {
      if (options.terminal_punctuation && !/[.!?…。！？。"”’»']\s*$/.test(line)) return false;
      if (options.min_words_per_line > 0 && !hasWords(line, options.min_words_per_line)) return false;
      if (line.length > options.max_word_length && longWord.test(line)) return false;
      if (options.javascript && /javascript/i.test(line)) return false;
      if (options.policy && policy.test(line)) return false;
      return !(options.navigation && isNavigation(line));
    };
    return (text) => {
      const lines = text.split("\n"), kept = lines.filter((line) => line.trim() === "" || isText(line));
      if (kept.length === lines.length) return { text };
      if (kept.every((line) => line.trim() === "")) return { dropped: "no line is left" };
      return { text: kept.join("\n").replace(/\n{3,}/g, "\n\n").replace(/^\n+|\n+$/g, "") };
    };
  },
};

const policy =
  /terms of use|terms of service|privacy policy|cookie policy|cookie notice|uses cookies|use of cookies|use cookies|accept (?:all )?cookies|all rights reserved/i;

function hasWords(line: string, count: number): boolean {
  let words = 0, inside = false;
  for (let i = 0; i < line.length; i++) {
    const blank = line.charCodeAt(i) <= 32 || line.charCodeAt(i) === 0xa0;
    if (!blank && !inside && ++words === count) return true;
    inside = !blank;
  }
  return false;
}

/** Whether a line is at least three short entries between bars, angles or dots. */
function isNavigation(line: string): boolean {
  if (line.length > 400 || !/[|»›·•>]/.test(line)) return false;
  const entries = line.split(/\s*[|»›·•>]\s*/).filter((entry) => entry !== "");
  return entries.length >= 3 && entries.every((entry) => entry.split(/\s+/).length <= 3);
}

/** Options of the stage `c4_quality`. */
export const c4QualityOptions = {
  min_sentences: { type: "int", default: 3, min: 0, help: "fewest sentences" },
  lorem_ipsum: { type: "bool", default: true, help: 'drop texts with "lorem ipsum"' },
  curly_brackets: { type: "bool", default: true, help: "drop texts with a curly bracket, which are mostly programs" },
} as const;

/**
 * Drops texts by the rules of C4 for whole pages (Raffel et al., 2020, section 2.2). Sentences are ends of them: a full
 * stop, question or exclamation mark before white space, a closing quotation mark or the end.
 */
export const c4Quality: StageDefinition<typeof c4QualityOptions> = {
  help: "drops by C4's rules: few sentences, lorem ipsum, curly brackets",
  options: c4QualityOptions,
  prepare: ({ min_sentences, lorem_ipsum, curly_brackets }) => (text) => {
    if (curly_brackets && text.includes("{")) return { dropped: "a curly bracket" };
    if (lorem_ipsum && /lorem ipsum/i.test(text)) return { dropped: "lorem ipsum" };
    let sentences = 0;
    const ends = /[.!?…](?=["”’»')\]]*(?:\s|$))|[。！？]/g;
    while (sentences < min_sentences && ends.test(text)) sentences++;
    return sentences < min_sentences ? { dropped: `fewer than ${min_sentences} sentences` } : { text };
  },
};
