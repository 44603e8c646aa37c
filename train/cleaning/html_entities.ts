import { windows1252 } from "./windows_1252.ts";

/** The names of U+00A0 to U+00FF, in order. */
const latin1 =
  "nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 sup3 " +
  "acute micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring " +
  "AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times " +
  "Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde auml aring aelig ccedil egrave eacute " +
  "ecirc euml igrave iacute icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave uacute ucirc " +
  "uuml yacute thorn yuml";

/** The names of Greek capitals from U+0391, without the place that is empty, and of small letters from U+03B1. */
const greek =
  "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigmaf sigma tau " +
  "upsilon phi chi psi omega";

const others =
  "amp & lt < gt > quot \" apos ' ndash – mdash — lsquo ‘ rsquo ’ sbquo ‚ ldquo “ rdquo ” bdquo „ hellip … " +
  "bull • dagger † Dagger ‡ permil ‰ prime ′ Prime ″ lsaquo ‹ rsaquo › oline ‾ euro € trade ™ larr ← uarr ↑ rarr → " +
  "darr ↓ harr ↔ rArr ⇒ hArr ⇔ forall ∀ part ∂ exist ∃ empty ∅ nabla ∇ isin ∈ notin ∉ ni ∋ prod ∏ sum ∑ minus − " +
  "lowast ∗ radic √ prop ∝ infin ∞ ang ∠ and ∧ or ∨ cap ∩ cup ∪ int ∫ there4 ∴ sim ∼ cong ≅ asymp ≈ ne ≠ equiv ≡ le ≤ " +
  "ge ≥ sub ⊂ sup ⊃ sube ⊆ supe ⊇ oplus ⊕ otimes ⊗ perp ⊥ sdot ⋅ loz ◊ spades ♠ clubs ♣ hearts ♥ diams ♦ OElig Œ " +
  "oelig œ Scaron Š scaron š Yuml Ÿ fnof ƒ circ ˆ tilde ˜ ensp \u2002 emsp \u2003 thinsp \u2009 zwnj \u200c zwj \u200d " +
  "lrm \u200e rlm \u200f check ✓ star ☆ starf ★ lbrack [ rbrack ] lbrace { rbrace } lpar ( rpar ) num # dollar $ " +
  "percnt % ast * plus + comma , period . sol / colon : semi ; equals = quest ? excl ! commat @ bsol \\ lowbar _ " +
  "grave ` vert | Tab \t NewLine \n";

const names = new Map<string, string>();
for (const [i, name] of latin1.split(" ").entries()) names.set(name, String.fromCharCode(0xa0 + i));
for (const [i, name] of greek.split(" ").entries()) {
  names.set(name, String.fromCharCode(0x3b1 + i));
  if (name !== "sigmaf") names.set(name[0].toUpperCase() + name.slice(1), String.fromCharCode(0x391 + i));
}
const parts = others.split(" ");
for (let i = 0; i + 1 < parts.length; i += 2) names.set(parts[i], parts[i + 1]);
names.set("nbsp", " "); // a space in a text
names.set("shy", ""); // a place for a hyphen, not a hyphen

/**
 * A text with the character references of HTML decoded, once: numeric ones, and the named ones of HTML 4 and some more.
 * Unknown names stay.
 */
export function decodeEntities(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(
    /&(?:#(\d{1,8})|#[xX]([0-9a-fA-F]{1,6})|([A-Za-z][A-Za-z0-9]{1,9}));/g,
    (whole, ten, sixteen, name) => {
      if (name !== undefined) return names.get(name) ?? whole;
      const code = ten !== undefined ? Number(ten) : parseInt(sixteen, 16);
      if (code === 0xa0) return " ";
      if (code >= 0x80 && code < 0xa0) return windows1252[code - 0x80]; // as the HTML standard has it
      return code === 0 || code > 0x10ffff || code >= 0xd800 && code < 0xe000 ? "\ufffd" : String.fromCodePoint(code);
    },
  );
}
