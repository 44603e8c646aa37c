import type { PrivateData } from "./private_data.ts";

const localPart = /[\p{L}\p{N}._%+'-]/u;
const domain = /@(?:[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,62})\.){1,8}\p{L}{2,24}(?![\p{L}\p{N}_])/uy;

/** The e-mail address around the @ at a place. */
export function findEmail(text: string, at: number): PrivateData | undefined {
  domain.lastIndex = at;
  if (!domain.test(text)) return undefined;
  let start = at;
  while (start > 0 && at - start < 64 && localPart.test(text[start - 1])) start--;
  while (start < at && ".'-%+".includes(text[start])) start++; // quotes and dots before the name
  return start === at ? undefined : { type: "EMAIL", start, end: domain.lastIndex };
}

interface Shape {
  readonly type: "API_KEY" | "JWT" | "PRIVATE_KEY";
  /** How many units before the trigger it begins. */
  readonly before: number;
  /** What it is, from there. */
  readonly pattern: RegExp;
}

/** Shapes of keys, by the character that gives them away. Their ends are bounded, so that no text makes them slow. */
const shapes: Readonly<Record<string, readonly Shape[]>> = {
  "A": [
    { type: "API_KEY", before: 0, pattern: /A(?:KIA|SIA|GPA|IDA|ROA|IPA|NPA|NVA)[A-Z0-9]{16}(?![A-Za-z0-9])/y }, // AWS
    { type: "API_KEY", before: 0, pattern: /AIza[\w-]{35}(?![\w-])/y }, // Google
  ],
  "_": [
    { type: "API_KEY", before: 3, pattern: /gh[pousr]_[A-Za-z0-9]{36,255}/y }, // GitHub
    { type: "API_KEY", before: 6, pattern: /github_pat_\w{22,255}/y },
    { type: "API_KEY", before: 2, pattern: /hf_[A-Za-z0-9]{30,60}/y }, // Hugging Face
    { type: "API_KEY", before: 3, pattern: /npm_[A-Za-z0-9]{36}/y },
    { type: "API_KEY", before: 2, pattern: /[sr]k_(?:live|test)_[A-Za-z0-9]{16,255}/y }, // Stripe
  ],
  "-": [
    { type: "API_KEY", before: 4, pattern: /xox[abeoprs]-[A-Za-z0-9-]{10,255}/y }, // Slack
    { type: "API_KEY", before: 4, pattern: /xapp-[A-Za-z0-9-]{10,255}/y },
    { type: "API_KEY", before: 5, pattern: /glpat-[\w-]{20,255}/y }, // GitLab
    // OpenAI's and those like it: letters and digits mixed, which tells them from words joined by hyphens
    { type: "API_KEY", before: 2, pattern: /sk-(?=[\w-]{0,60}?\d)(?=[\w-]{0,60}?[A-Z])[\w-]{20,255}/y },
    {
      type: "PRIVATE_KEY",
      before: 0,
      pattern:
        /-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----(?:[^-]|-(?!-)){0,20000}-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----/y,
    },
  ],
};

const jwtTail = /\.eyJ[\w-]{5,8000}\.[\w-]{10,2000}/y;

/** The key or token that the character at a place gives away. */
export function findSecret(text: string, at: number): PrivateData | undefined {
  const character = text[at];
  if (character === ".") return text.startsWith(".eyJ", at) ? findJwt(text, at) : undefined;
  for (const { type, before, pattern } of shapes[character]) {
    const start = at - before;
    if (start < 0 || isWord(text.charCodeAt(start - 1))) continue;
    pattern.lastIndex = start;
    if (pattern.test(text)) return { type, start, end: pattern.lastIndex };
  }
}

/** A JSON Web Token by the dot between its header and its claims, both JSON objects in base64url. */
function findJwt(text: string, at: number): PrivateData | undefined {
  jwtTail.lastIndex = at;
  if (!jwtTail.test(text)) return undefined;
  let start = at;
  while (start > 0 && at - start < 2000 && (isWord(text.charCodeAt(start - 1)) || text[start - 1] === "-")) start--;
  return text.startsWith("eyJ", start) ? { type: "JWT", start, end: jwtTail.lastIndex } : undefined;
}

/** Whether a UTF-16 unit is an ASCII letter, a digit or an underscore. */
export function isWord(unit: number): boolean {
  return unit >= 48 && unit <= 57 || unit >= 65 && unit <= 90 || unit === 95 || unit >= 97 && unit <= 122;
}
