import { randomU32 } from "../engine/random.ts";

/** Kinds of characters that tokenizers get wrong, each drawn as often as the others. */
const kinds: readonly string[][] = [
  [..."abcdefghijklmnopqrstuvwxyzABCXYZ"],
  [
    ..."     \n\n\t\r\v\f",
    "\r\n",
    "\u00a0",
    "\u2003",
    "\u3000",
    "\u2028",
    "\u200b",
    "\u180e",
    "\x1c",
    "\x85",
    "\ufeff",
  ],
  [..."'''.,;:!?-_()[]{}<>/\\|@#$%^&*+=~`\"\0\x7f"],
  [
    "'s",
    "'t",
    "'re",
    "'ve",
    "'m",
    "'ll",
    "'d",
    "'S",
    "'LL",
    "'Re",
    "'\u017f",
    "'rE",
    "'vet",
    "'l",
    "'r",
    "don't",
    "I'm",
  ],
  [..."0123456789", "٣", "४", "²", "½", "Ⅻ", "①", "𝟘"],
  [..."äöüßéñçøåœŁžğıİſK", "Ωμ", "жщ", "אב", "مر", "ไทย", "देव", "ǅ", "ʰ", "ª"],
  ["e\u0301", "a\u030a\u0301", "\u0301", "\u0308", "\u093f", "\u20dd", "n\u0303"],
  [..."漢字仮名交じり文中国话한국어", "𠮷", "𠀀", "，", "。", "「", "」"],
  ["🙂", "👩‍👩‍👧‍👦", "🇩🇪", "👍🏽", "❤️", "☃", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "\u{1f9ff}", "\u{10ffff}", "\ue000"],
  ["the ", " and", "token", "izer", " GPT", "  ", "   \n  ", "\n\n\n", "...", "!!!\n", "100,000", "https://"],
];
const halves = ["\ud83d", "\ude42", "\ud800", "\udfff"];

/** What a random text may hold. */
export interface RandomTextOptions {
  /** Whether halves of surrogate pairs are among its characters. Default: false. */
  readonly halves?: boolean;
  /** Characters that are left out. Default: none. */
  readonly without?: RegExp;
}

/** A text of up to `length` random pieces, the same for the same number. */
export function randomText(index: number, length: number, { halves: broken, without }: RandomTextOptions = {}): string {
  let draws = 0, text = "";
  const draw = (below: number) => Math.floor(randomU32(7, index, draws++) / 2 ** 32 * below);
  const favourite = draw(3 * kinds.length); // a third of the texts keep mostly to one kind: runs are long there
  for (let i = 1 + draw(length); i > 0; i--) {
    if (broken && draw(20) === 0) text += halves[draw(halves.length)];
    const kind = kinds[favourite] !== undefined && draw(5) > 0 ? kinds[favourite] : kinds[draw(kinds.length)];
    text += draw(40) === 0 ? anyCharacter(draw) : kind[draw(kind.length)];
  }
  return without === undefined ? text : text.replaceAll(without, "");
}

function anyCharacter(draw: (below: number) => number): string {
  const codePoint = draw(2) === 0 ? draw(0x3000) : draw(0x110000);
  return codePoint >= 0xd800 && codePoint < 0xe000 ? "\ufffd" : String.fromCodePoint(codePoint);
}
