import { decodeEntities } from "./html_entities.ts";
import type { StageDefinition } from "./stage.ts";

/** Options of the stage `html`. */
export const htmlOptions = {
  entities: { type: "bool", default: true, help: "decode character references such as &amp;" },
} as const;

/** Elements whose begin and end break a line. */
const blocks = new Set(
  ("address article aside blockquote body br caption center dd details dialog div dl dt fieldset figcaption figure footer " +
    "form h1 h2 h3 h4 h5 h6 head header hr html legend li main menu nav ol optgroup option p pre section summary table " +
    "tbody tfoot thead title tr ul").split(" "),
);

/** Elements within a line. */
const inlines = new Set(
  ("a abbr acronym area audio b base basefont bdi bdo big button cite code col colgroup data datalist del dfn em embed font " +
    "frame frameset i img input ins kbd label link map mark meta meter nobr object output param picture progress q rp rt " +
    "ruby s samp select slot small source span strike strong sub sup tt time td th track u var video wbr").split(" "),
);

/** Elements that go with what they hold. */
const dropped = new Set("script style noscript template svg math iframe canvas textarea xmp".split(" "));

/**
 * The text of HTML: without tags, comments, and what is between the tags of scripts, styles and the like; with line
 * breaks where block elements begin and end; character references decoded. Where there is a block element, white space
 * becomes one blank, as browsers show it, but within `<pre>`. What only looks like a tag (`a < b`, `vector<int>`,
 * `<name@example.com>`) stays.
 */
export const html: StageDefinition<typeof htmlOptions> = {
  help: "removes tags, scripts, styles and comments, decodes character references",
  options: htmlOptions,
  prepare: ({ entities }) => (text) => {
    const bare = text.includes("<") ? new Stripper(text).strip() : text;
    return { text: entities ? decodeEntities(bare) : bare };
  },
};

class Stripper {
  readonly #text: string;
  readonly #parts: { text: string; pre: boolean }[] = [];
  readonly #missing = new Set<string>(); // ends that do not come any more: no second search
  #isHtml = false;
  #pre = 0;

  constructor(text: string) {
    this.#text = text;
  }

  strip(): string {
    const text = this.#text;
    let copied = 0, found = false;
    for (let at = text.indexOf("<"); at >= 0; at = text.indexOf("<", at)) {
      const end = this.#markup(at);
      if (end === undefined) {
        at++;
        continue;
      }
      this.#push(text.slice(copied, at));
      this.#tag(text.slice(at, Math.min(end.tag, at + 32)));
      copied = at = end.all;
      found = true;
    }
    if (!found) return text;
    this.#push(text.slice(copied));
    if (!this.#isHtml) return this.#parts.map(({ text }) => text).join("");
    return this.#layOut();
  }

  /** White space as browsers show it: one blank, none at the ends of lines; at most one blank line. */
  #layOut(): string {
    let result = "", blank = false, breaks = 2; // as if a blank line went before
    for (const { text, pre } of this.#parts) {
      if (text === "\n" && !pre) {
        blank = false;
        if (breaks++ < 2) result += "\n";
        continue;
      }
      const shown = pre ? text : text.trim().replace(/\s+/g, " ");
      if (/^\s/.test(text) || shown === "") blank = true;
      if (shown === "") continue;
      result += (blank && !pre && breaks === 0 ? " " : "") + shown;
      blank = !pre && /\s$/.test(text);
      breaks = 0;
    }
    return result.replace(/\n+$/, "");
  }

  #push(text: string): void {
    if (text !== "") this.#parts.push({ text, pre: this.#pre > 0 });
  }

  /** What a tag does to the text around it. */
  #tag(tag: string): void {
    const name = nameOf(tag);
    if (name === undefined || !blocks.has(name)) return;
    this.#isHtml = true;
    this.#parts.push({ text: "\n", pre: false });
    if (name === "pre") this.#pre = Math.max(0, this.#pre + (tag[1] === "/" ? -1 : 1));
    if (name === "p" && tag[1] === "/") this.#parts.push({ text: "\n", pre: false });
  }

  /** Where markup ends that begins at a place: its tag, and with what it holds when that is not text. */
  #markup(at: number): { tag: number; all: number } | undefined {
    const text = this.#text, next = text[at + 1];
    if (next === "!" || next === "?") {
      if (text.startsWith("<!--", at)) return this.#until("-->", at + 4);
      if (text.startsWith("<![CDATA[", at)) return this.#until("]]>", at + 9);
      return next === "?" || /^<!doctype\b/i.test(text.slice(at, at + 12)) ? this.#until(">", at) : undefined;
    }
    const name = nameOf(text.slice(at, at + 32));
    if (name === undefined) return undefined;
    const end = this.#endOfTag(at);
    if (end === undefined) return undefined;
    if (!dropped.has(name) || next === "/" || text[end - 2] === "/" || this.#missing.has(name)) {
      return { tag: end, all: end };
    }
    const closing = new RegExp(`</${name}[\\s>]`, "gi");
    closing.lastIndex = end;
    const close = closing.exec(text);
    if (close === null) {
      this.#missing.add(name);
      return { tag: end, all: end }; // a mention of the tag: what follows is text
    }
    return { tag: end, all: this.#endOfTag(close.index) ?? closing.lastIndex };
  }

  #until(sign: string, from: number): { tag: number; all: number } | undefined {
    const at = this.#missing.has(sign) ? -1 : this.#text.indexOf(sign, from);
    if (at < 0) {
      this.#missing.add(sign);
      return undefined;
    }
    return { tag: at + sign.length, all: at + sign.length };
  }

  /** The place after a tag's ">", which may stand in quotes before; undefined when there is none. */
  #endOfTag(at: number): number | undefined {
    const text = this.#text;
    if (!this.#missing.has("quoted")) {
      for (let i = at + 1; i < text.length; i++) {
        const unit = text.charCodeAt(i);
        if (unit === 62) return i + 1;
        if ((unit === 34 || unit === 39) && text.charCodeAt(i - 1) === 61) {
          i = text.indexOf(text[i], i + 1);
          if (i < 0) break;
        }
      }
      this.#missing.add("quoted"); // some quote does not end: from here on quotes are not looked at
    }
    return this.#until(">", at)?.all;
  }
}

/** The name of a tag when it is an element of HTML, or one with a hyphen. */
function nameOf(tag: string): string | undefined {
  const name = /^<\/?([a-zA-Z][a-zA-Z0-9]*(?:-[a-zA-Z0-9-]+)?)(?=[\s/>])/.exec(tag)?.[1].toLowerCase();
  if (name === undefined) return undefined;
  return blocks.has(name) || inlines.has(name) || dropped.has(name) || name.includes("-") ? name : undefined;
}
