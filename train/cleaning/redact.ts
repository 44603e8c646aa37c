import { type PrivateData, privateTypes } from "./private_data.ts";
import type { StageDefinition } from "./stage.ts";
import { findCard, findIban, findIpV4, findIpV6, findPhone } from "./private_numbers.ts";
import { findEmail, findSecret } from "./private_names.ts";

/** Options of the stage `redact`. */
export const redactOptions = {
  types: { type: "list", default: privateTypes, choices: privateTypes, help: "what is replaced by a placeholder" },
} as const;

/**
 * Replaces what identifies or opens something by a placeholder of its type, such as `<EMAIL>`: e-mail addresses, IP
 * addresses of both versions, phone numbers that are written as such (with a country code, in groups, or after "tel"),
 * card numbers (by their first digits, length and Luhn's checksum), IBANs (by country, length and ISO 7064's mod 97),
 * keys and tokens of well-known shape, JSON Web Tokens (RFC 7519) and PEM private keys (RFC 7468). Names and postal
 * addresses stay: no pattern tells them.
 */
export const redact: StageDefinition<typeof redactOptions> = {
  help: "replaces e-mail and IP addresses, phone, card and account numbers, keys and tokens by placeholders",
  options: redactOptions,
  prepare({ types }) {
    const wanted = new Set<string>(types);
    return (text) => {
      let result = "", copied = 0;
      const counts: Record<string, number> = {};
      for (let at = 0; at < text.length; at++) {
        const unit = text.charCodeAt(at);
        const trigger = unit < 128 ? triggers[unit] : NONE;
        if (trigger === NONE) continue;
        const found = find(text, at, trigger);
        if (found === undefined || found.start < copied) {
          // the digits of a word are looked at once
          if (trigger === NUMBER) { while (isDigit(text.charCodeAt(at + 1))) at++; }
          continue;
        }
        if (wanted.has(found.type)) {
          result += text.slice(copied, found.start) + `<${found.type}>`;
          copied = found.end;
          counts[found.type] = (counts[found.type] ?? 0) + 1;
        }
        at = found.end - 1;
      }
      return copied === 0 ? { text } : { text: result + text.slice(copied), counts };
    };
  },
};

const NONE = 0, AT = 1, NUMBER = 2, PLUS = 3, COLON = 4, SECRET = 5;

/** The characters at which something private may be recognized, by the kind of what it may be. */
const triggers = new Uint8Array(128);
for (const character of "0123456789") triggers[character.charCodeAt(0)] = NUMBER;
for (const character of "+(") triggers[character.charCodeAt(0)] = PLUS;
for (const character of "A_-.") triggers[character.charCodeAt(0)] = SECRET; // AKIA…, ghp_…, sk-…, eyJ….eyJ…
triggers["@".charCodeAt(0)] = AT;
triggers[":".charCodeAt(0)] = COLON;

function find(text: string, at: number, trigger: number): PrivateData | undefined {
  if (trigger === AT) return findEmail(text, at);
  if (trigger === COLON) return findIpV6(text, at);
  if (trigger === SECRET) return findSecret(text, at);
  if (trigger === PLUS) return findPhone(text, at);
  return findIban(text, at) ?? findIpV4(text, at) ?? findCard(text, at) ?? findPhone(text, at);
}

function isDigit(unit: number): boolean {
  return unit >= 48 && unit <= 57;
}
