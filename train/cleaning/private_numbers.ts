import { isWord } from "./private_names.ts";
import type { PrivateData, PrivateType } from "./private_data.ts";

/** What a sticky expression matches at a place, between characters that do not go on with it. */
function match(pattern: RegExp, text: string, start: number): string | undefined {
  pattern.lastIndex = start;
  return pattern.exec(text)?.[0];
}

function isPrivate(type: PrivateType, start: number, found: string): PrivateData {
  return { type, start, end: start + found.length };
}

const octet = "(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)";
const ipV4 = new RegExp(`${octet}(?:\\.${octet}){3}(?![\\w]|\\.\\d)`, "y");

/** An IP address, version 4, from a place on; not a version number, such as those after a "v" or with fewer parts. */
export function findIpV4(text: string, start: number): PrivateData | undefined {
  const before = text.charCodeAt(start - 1);
  if (isWord(before) || before === 46) return undefined; // a "." goes before
  const found = match(ipV4, text, start);
  if (found === undefined || /\bv(?:er(?:sion)?)?[.:]?\s?$/i.test(text.slice(Math.max(0, start - 10), start))) {
    return undefined;
  }
  return isPrivate("IP", start, found);
}

const ipV6 = /[0-9A-Fa-f:]{2,45}(?:(?<=:)\d{1,3}(?:\.\d{1,3}){3})?/y;

/** The IP address, version 6, around the colon at a place (RFC 4291); not a time of day or a name with colons. */
export function findIpV6(text: string, at: number): PrivateData | undefined {
  let start = at;
  while (start > 0 && at - start < 4 && isHex(text.charCodeAt(start - 1))) start--;
  const before = text.charCodeAt(start - 1);
  if (isWord(before) || before === 58) return undefined;
  let found = match(ipV6, text, start);
  if (found === undefined) return undefined;
  if (found.endsWith(":") && !found.endsWith("::")) found = found.slice(0, -1); // the colon of a sentence
  if (isWord(text.charCodeAt(start + found.length)) || text[start + found.length] === ":") return undefined;
  const halves = found.split("::");
  if (halves.length > 2) return undefined;
  const groups = halves.flatMap((half) => half === "" ? [] : half.split(":"));
  let size = 0;
  for (const group of groups) {
    if (/^\d+\.\d+\.\d+\.\d+$/.test(group)) size += 2;
    else if (/^[0-9A-Fa-f]{1,4}$/.test(group)) size++;
    else return undefined;
  }
  // "::" stands for some groups of zeros; so short a form as a::b is more often a name in a program
  const whole = halves.length === 1
    ? size === 8
    : size < 8 && /\d/.test(found) && (groups[0]?.length >= 3 || size >= 4);
  return whole ? isPrivate("IP", start, found) : undefined;
}

const card = /\d(?:[ -]?\d){12,18}/y;

/** A card number from a place on: the first digits and length of an issuer, and Luhn's checksum (ISO/IEC 7812). */
export function findCard(text: string, start: number): PrivateData | undefined {
  if (goesOnBefore(text, start)) return undefined;
  const found = match(card, text, start);
  if (found === undefined) return undefined;
  for (let end = found.length; end >= 13; end--) { // what comes after may be its date
    const next = text.charCodeAt(start + end), whole = found.slice(0, end), digits = whole.replaceAll(/[ -]/g, "");
    if (isWord(next) || !isWord(text.charCodeAt(start + end - 1)) || digits.length < 13) continue;
    if (isIssued(digits) && hasLuhn(digits)) return isPrivate("CARD", start, whole);
  }
}

function isIssued(digits: string): boolean {
  const length = digits.length, four = Number(digits.slice(0, 4)), two = Math.floor(four / 100);
  if (digits[0] === "4") return length === 13 || length === 16 || length === 19; // Visa
  if (two >= 51 && two <= 55 || four >= 2221 && four <= 2720) return length === 16; // Mastercard
  if (two === 34 || two === 37) return length === 15; // American Express
  if (two === 36 || two === 38 || two === 39 || four >= 3000 && four <= 3059) return length >= 14; // Diners Club
  return (two === 35 || two === 62 || two === 64 || two === 65 || four === 6011) && length >= 16;
}

/** Luhn's checksum: from the right, every second digit doubled, the sum of all digits is a multiple of 10. */
export function hasLuhn(digits: string): boolean {
  let sum = 0;
  for (let i = digits.length - 1, double = false; i >= 0; i--, double = !double) {
    const digit = digits.charCodeAt(i) - 48;
    sum += double ? digit > 4 ? 2 * digit - 9 : 2 * digit : digit;
  }
  return sum % 10 === 0;
}

/** Lengths of IBANs by country (ISO 13616's registry). */
const ibanLengths = new Map<string, number>();
for (
  const entry of ("AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 " +
    "DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 " +
    "KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 " +
    "PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 " +
    "VG24 XK20").split(" ")
) ibanLengths.set(entry.slice(0, 2), Number(entry.slice(2)));

const iban = /[A-Z]{2}\d\d(?:[ -]?[A-Z0-9]){11,30}/y;

/** An IBAN whose two letters end before a place: a country's length, and the checksum of ISO 7064, mod 97-10. */
export function findIban(text: string, at: number): PrivateData | undefined {
  const start = at - 2, length = start < 0 ? undefined : ibanLengths.get(text.slice(start, at));
  if (length === undefined || isWord(text.charCodeAt(start - 1))) return undefined;
  const found = match(iban, text, start);
  if (found === undefined) return undefined;
  let end = 0;
  for (let signs = 0; signs < length; end++) {
    if (end === found.length) return undefined;
    if (found[end] !== " " && found[end] !== "-") signs++;
  }
  if (isWord(text.charCodeAt(start + end))) return undefined;
  const whole = found.slice(0, end);
  return hasMod97(whole.replaceAll(/[ -]/g, "")) ? isPrivate("IBAN", start, whole) : undefined;
}

/** The checksum of an IBAN: its first four signs moved to the end and letters read as 10 to 35, it is 1 modulo 97. */
export function hasMod97(signs: string): boolean {
  let remainder = 0;
  for (const sign of signs.slice(4) + signs.slice(0, 4)) {
    const value = parseInt(sign, 36);
    remainder = (remainder * (value < 10 ? 10 : 100) + value) % 97;
  }
  return remainder === 1;
}

const last = "(?![\\w@]|[-.]\\d)";
// + or 00, a country code, more digits in groups
const international = new RegExp(`(?:\\+|00)[1-9](?:\\)?[ ./-]{0,2}\\(?\\d){6,14}${last}`, "y");
// (212) 555-0123, 212-555-0123, 212.555.0123, 1-212-555-0123, 212 555 0123
const american = new RegExp(
  `(?:1[ .-])?(?:\\([2-9]\\d\\d\\) ?|[2-9]\\d\\d[-. ])[2-9]\\d\\d[-. ]\\d{4}${last}`,
  "y",
);
// 030 1234567, 0171/1234567, 020 7946 0958, 01 23 45 67 89, (030) 123 456
const national = new RegExp(`(?:\\(0[1-9]\\d{0,4}\\)|0[1-9]\\d{0,4})(?:[ ./-]{1,2}\\d{2,8}){1,5}${last}`, "y");
const date = /\d\d[ ./-]\d\d[ ./-](?:19|20)\d\d/y;
const announced = new RegExp(`\\d(?:[ ./()-]{0,2}\\d){5,14}${last}`, "y");
const announcement =
  /(?:\btel|phone|\bfax|\bmobile|\bcell|\bmob|whatsapp|\bcall(?: us| me)?)(?: ?(?:no|number|at|on))?[.:]*\s*$/i;

/** A phone number from a place on. */
export function findPhone(text: string, start: number): PrivateData | undefined {
  if (goesOnBefore(text, start)) return undefined;
  if (text[start] === "+" || text.startsWith("00", start)) {
    const found = match(international, text, start);
    const written = found !== undefined && (found[0] === "+" || /\D/.test(found)); // 0012345678 is some number
    if (written && hasDigits(found, 8, 17)) return isPrivate("PHONE", start, found);
  }
  const found = match(american, text, start);
  if (found !== undefined) return isPrivate("PHONE", start, found);
  const local = match(national, text, start);
  if (local !== undefined && hasDigits(local, 9, 12) && match(date, text, start) === undefined) {
    return isPrivate("PHONE", start, local);
  }
  const digits = match(announced, text, start);
  if (digits !== undefined && announcement.test(text.slice(Math.max(0, start - 24), start))) {
    return isPrivate("PHONE", start, digits);
  }
}

function hasDigits(found: string, least: number, most: number): boolean {
  const digits = found.replaceAll(/\D/g, "").length;
  return digits >= least && digits <= most;
}

/** Whether the number at a place is the rest of a longer word or number. */
function goesOnBefore(text: string, start: number): boolean {
  const before = text.charCodeAt(start - 1);
  if (isWord(before)) return true;
  const second = text.charCodeAt(start - 2);
  // "." "-" "/" "," after a digit
  return before >= 44 && before <= 47 && second >= 48 && second <= 57;
}

function isHex(unit: number): boolean {
  return unit >= 48 && unit <= 57 || unit >= 65 && unit <= 70 || unit >= 97 && unit <= 102;
}
