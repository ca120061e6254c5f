/**
 * One reading of a JSON value that a model wrote carelessly.
 *
 * Slips of notation are undone: commas, quote style, comments, Python literals, raw control characters. Everything that
 * was *said* must be there: nothing is invented for a missing value, no string or array is closed at the end of the text,
 * an ellipsis is an omission.
 *
 * A quote inside a string needs care. It *ends* the string where what follows could go on after an end; the first such
 * quote is taken, and if the text does not go on from there it is unreadable. Trying later ends would be guessing which of
 * two texts was meant. What a closer of the wrong kind means is told by `choices`; see `loose-json.ts`.
 */
import { allowsNull, childSchema, fitsSchema, sameJson } from "./schema-hint.ts";
import type { ReadSchema } from "./schema-hint.ts";

export type LooseReading =
  | { outcome: "read"; value: unknown; end: number; repairs: string[] }
  | { outcome: "unreadable"; why: string };

const MAX_DEPTH = 120;
const MAX_WRONG_CLOSERS = 5;

/** swapped | its own closer is missing before it | stray */
export const OPTIONS = 3;
const SWAPPED = 0;
const MISSING = 1;

class Unreadable extends Error {}

const QUOTE_ENDS: Readonly<Record<string, string>> = {
  '"': '"',
  "'": "'",
  "`": "`",
  "“": '”“"',
  "„": '”“"',
  "”": '”“"',
  "‘": "’‘'",
  "’": "’‘'",
  "«": "»",
};

const LITERALS: ReadonlyMap<string, boolean | null> = new Map([
  ["true", true],
  ["false", false],
  ["null", null],
  ["none", null],
]);

const SPACE = /[\s\uFEFF\u200B]*/y;
const WORD = /[A-Za-z_$][\w$-]*/y;
const NUMBER = /[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?/y;
const STRICT_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?$/;
const QUOTED_KEY = /["'“”„‘’«`][^"'“”„‘’«»`\n]{1,200}["'“”‘’»`]\s*:/y;
const BARE_KEY = /[A-Za-z_$][\w$-]{0,200}\s*:/y;
const BARE_VALUE = /(?:true|false|null|none|nan)\b|[-+.]?\d/iy;

export class LooseReader {
  /** The option taken at each wrong closer, the first where `choices` ran out. */
  readonly taken: number[] = [];
  readonly #text: string;
  readonly #schema: ReadSchema;
  readonly #choices: readonly number[];
  readonly #repairs = new Set<string>();
  readonly #open: ("{" | "[")[] = [];
  #at = 0;

  constructor(text: string, schema: ReadSchema, choices: readonly number[]) {
    this.#text = text;
    this.#schema = schema;
    this.#choices = choices;
  }

  read(start: number): LooseReading {
    this.#at = start;
    try {
      const value = this.#value(this.#schema);
      return { outcome: "read", value, end: this.#at, repairs: [...this.#repairs] };
    } catch (error) {
      if (error instanceof Unreadable) return { outcome: "unreadable", why: error.message };
      throw error;
    }
  }

  #value(schema: ReadSchema): unknown {
    this.#space();
    const sign = this.#text[this.#at];
    if (sign === undefined) throw new Unreadable("the text ends before a value");
    if (sign === "{") return this.#object(schema);
    if (sign === "[") return this.#array(schema);
    if (sign in QUOTE_ENDS) return this.#string(this.#open.at(-1) === "[" ? "element" : "member");
    if (sign === "," || sign === "}" || sign === "]") throw new Unreadable("a value is missing");
    if (this.#text.startsWith("...", this.#at) || sign === "…")
      throw new Unreadable("elements are left out (…)");
    return /[-+.\d]/.test(sign) ? this.#number() : this.#literal(schema);
  }

  #object(schema: ReadSchema): unknown {
    this.#enter("{");
    const object = {};
    let after: "start" | "value" | "comma" = "start";
    for (;;) {
      this.#space();
      const sign = this.#text[this.#at];
      if (sign === undefined) {
        this.#closeAtEnd(object, schema, after);
        break;
      }
      if (sign === "}") {
        this.#at += 1;
        if (after === "comma") this.#repairs.add("comma");
        break;
      }
      if (sign === "]") {
        if (this.#wrongCloser("{") === "closed") break;
        continue;
      }
      if (sign === ",") {
        this.#at += 1;
        if (after !== "value") this.#repairs.add("comma");
        after = "comma";
        continue;
      }
      if (after === "value") {
        if (!this.#looksAt(QUOTED_KEY) && !this.#looksAt(BARE_KEY))
          throw new Unreadable("a value does not end");
        this.#repairs.add("comma");
      }
      const key = this.#key();
      const value = this.#value(childSchema(schema, this.#schema, key));
      if (Object.hasOwn(object, key) && !sameJson((object as Record<string, unknown>)[key], value))
        throw new Unreadable("a key has two values");
      // defineProperty, so that a key called __proto__ stays a key.
      Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
      after = "value";
    }
    this.#open.pop();
    return object;
  }

  #array(schema: ReadSchema): unknown {
    this.#enter("[");
    const array: unknown[] = [];
    let after: "start" | "value" | "comma" = "start";
    for (;;) {
      this.#space();
      const sign = this.#text[this.#at];
      if (sign === undefined) throw new Unreadable("the text ends inside an array");
      if (sign === "]") {
        this.#at += 1;
        if (after === "comma") this.#repairs.add("comma");
        break;
      }
      if (sign === "}") {
        if (this.#wrongCloser("[") === "closed") break;
        continue;
      }
      if (sign === ",") {
        // Between two commas an element may have been left out, and nobody knows which.
        if (after === "comma") throw new Unreadable("an element is missing");
        if (after === "start") this.#repairs.add("comma");
        this.#at += 1;
        after = "comma";
        continue;
      }
      if (after === "value") this.#repairs.add("comma");
      array.push(this.#value(childSchema(schema, this.#schema, null)));
      after = "value";
    }
    this.#open.pop();
    return array;
  }

  #enter(bracket: "{" | "["): void {
    if (this.#open.length >= MAX_DEPTH) throw new Unreadable("nested too deeply");
    this.#open.push(bracket);
    this.#at += 1;
  }

  /** Standing on a closer that does not belong to the innermost container. */
  #wrongCloser(container: "{" | "["): "closed" | "skipped" {
    const number = this.taken.length;
    if (number >= MAX_WRONG_CLOSERS) throw new Unreadable("too many brackets do not match");
    const choice = this.#choices[number] ?? 0;
    this.taken.push(choice);
    this.#repairs.add("closer");
    if (choice === SWAPPED) {
      this.#at += 1;
      return "closed";
    }
    if (choice === MISSING) {
      const outer = container === "{" ? "[" : "{";
      if (!this.#open.slice(0, -1).includes(outer)) throw new Unreadable("a bracket closes nothing");
      return "closed";
    }
    this.#at += 1;
    return "skipped";
  }

  /** The one thing that may be missing at the end is the outermost brace, once everything required was written. */
  #closeAtEnd(object: object, schema: ReadSchema, after: "start" | "value" | "comma"): void {
    if (this.#open.length !== 1) throw new Unreadable("the text ends inside a nested value");
    if (after !== "value") throw new Unreadable("the text ends where more was to come");
    if (schema === null || !fitsSchema(object, schema) || requiresNothing(schema))
      throw new Unreadable("the text ends before every required key is complete");
    // "2" may have become "25".
    if (/[\w.+-]$/.test(this.#text) && /[\d.]$/.test(this.#text))
      throw new Unreadable("the text ends inside a number");
    this.#repairs.add("final_brace");
  }

  #key(): string {
    const sign = this.#text[this.#at] ?? "";
    let key: string;
    if (sign in QUOTE_ENDS) key = this.#string("key");
    else if (this.#looksAt(BARE_KEY)) {
      WORD.lastIndex = this.#at;
      key = WORD.exec(this.#text)?.[0] ?? "";
      this.#at += key.length;
      this.#repairs.add("quotes");
    } else if (sign === "…" || this.#text.startsWith("...", this.#at)) {
      throw new Unreadable("members are left out (…)");
    } else throw new Unreadable("a key is missing");
    this.#space();
    if (this.#text[this.#at] !== ":") throw new Unreadable("a key has no value");
    this.#at += 1;
    return key;
  }

  #string(place: "key" | "member" | "element"): string {
    const text = this.#text;
    const opener = text[this.#at] ?? "";
    const closers = QUOTE_ENDS[opener] ?? "";
    if (opener === "`" && text.startsWith("```", this.#at))
      throw new Unreadable("a fence stands where a value should");
    if (opener !== '"') this.#repairs.add("quotes");
    this.#at += 1;
    const parts: string[] = [];
    let bareQuotes = false;
    let from = this.#at;
    for (;;) {
      const sign = text[this.#at];
      if (sign === undefined) throw new Unreadable("the text ends inside a string");
      if (sign === "\\") {
        parts.push(text.slice(from, this.#at), this.#escape());
        from = this.#at;
      } else if (closers.includes(sign)) {
        if (this.#mayEndString(place)) break;
        this.#repairs.add("inner_quote");
        bareQuotes = true;
        this.#at += 1;
      } else {
        if (sign < " ") this.#repairs.add("control_character");
        this.#at += 1;
      }
    }
    parts.push(text.slice(from, this.#at));
    this.#at += 1;
    const value = parts.join("");
    // A key and its value inside a string with bare quotes: the string may have ended before them.
    if (bareQuotes && /["'”]\s{0,20}:\s{0,20}["'“\d{[]/.test(value))
      throw new Unreadable("a string has several possible ends");
    if (opener === "`" && value.includes("${")) throw new Unreadable("a template is no value");
    return value;
  }

  #escape(): string {
    const sign = this.#text[this.#at + 1];
    if (sign === undefined) throw new Unreadable("the text ends inside a string");
    const simple = { '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" }[sign];
    if (simple !== undefined) {
      this.#at += 2;
      return simple;
    }
    // JSON knows no \' but it can only mean the quote itself.
    if ("'’‘“”`".includes(sign)) {
      this.#repairs.add("escape");
      this.#at += 2;
      return sign;
    }
    const digits = this.#text.slice(this.#at + 2, this.#at + 6);
    if (sign !== "u" || !/^[0-9a-f]{4}$/i.test(digits)) throw new Unreadable("an escape is broken");
    this.#at += 6;
    return String.fromCharCode(Number.parseInt(digits, 16));
  }

  /** Standing on a quote: could the text go on after an end here? */
  #mayEndString(place: "key" | "member" | "element"): boolean {
    const text = this.#text;
    const quote = this.#at;
    const next = this.#after(quote + 1);
    const sign = text[next];
    // A key with a quote inside is far less likely than a stray item in the place of a member.
    if (place === "key") return true;
    if (sign === undefined || sign === "}" || sign === "]") return true;
    if (sign === ",") {
      const beyond = this.#after(next + 1);
      const following = text[beyond];
      if (following === undefined || following in QUOTE_ENDS || "{[}],".includes(following)) return true;
      if (following === "." || following === "…") return true;
      return place === "member" ? this.#matches(BARE_KEY, beyond) : this.#matches(BARE_VALUE, beyond);
    }
    // A missing comma: the next key follows, or the next element behind white space.
    if (place === "member")
      return (
        next > quote + 1 &&
        (this.#matches(QUOTED_KEY, next) ||
          (this.#newlineIn(quote + 1, next) && this.#matches(BARE_KEY, next)))
      );
    return next > quote + 1 && (sign in QUOTE_ENDS || sign === "{" || sign === "[");
  }

  #number(): number {
    NUMBER.lastIndex = this.#at;
    const written = NUMBER.exec(this.#text)?.[0];
    if (written === undefined)
      throw new Unreadable(this.#text[this.#at] === "." ? "elements are left out (…)" : "a number is broken");
    const end = this.#at + written.length;
    if (/[\w%$€'’/.:]/.test(this.#text[end] ?? ""))
      throw new Unreadable("a number goes on as something else");
    if (!STRICT_NUMBER.test(written)) {
      // 007 may be a code whose zeros matter.
      if (/^[-+]?0\d/.test(written)) throw new Unreadable("a number has leading zeros");
      this.#repairs.add("number");
    }
    this.#at = end;
    const value = Number(written);
    if (!Number.isFinite(value)) throw new Unreadable("a number is out of range");
    return value;
  }

  #literal(schema: ReadSchema): boolean | null {
    WORD.lastIndex = this.#at;
    const word = WORD.exec(this.#text)?.[0] ?? "";
    const known = LITERALS.get(word.toLowerCase());
    if (known !== undefined) {
      if (word !== String(known)) this.#repairs.add("literal");
      this.#at += word.length;
      return known;
    }
    if (word.toLowerCase() === "nan" && allowsNull(schema, this.#schema)) {
      this.#repairs.add("nan_as_null");
      this.#at += word.length;
      return null;
    }
    throw new Unreadable(word === "" ? "something else stands where a value should" : "a value is no JSON");
  }

  /** Moves over white space and comments. */
  #space(): void {
    const before = this.#at;
    this.#at = this.#after(before, true);
  }

  #after(from: number, note = false): number {
    let at = from;
    for (;;) {
      SPACE.lastIndex = at;
      SPACE.exec(this.#text);
      at = SPACE.lastIndex;
      const end = commentEnd(this.#text, at);
      if (end === at) return at;
      if (note) {
        // "// 12 more items" says that something was left out.
        if (/\.\.\.|…|\b(?:more|rest|remaining|omitted|truncated|etc)\b/i.test(this.#text.slice(at, end)))
          throw new Unreadable("a comment says that something was left out");
        this.#repairs.add("comment");
      }
      at = end;
    }
  }

  #looksAt(pattern: RegExp): boolean {
    return this.#matches(pattern, this.#at);
  }

  #matches(pattern: RegExp, at: number): boolean {
    pattern.lastIndex = at;
    return pattern.test(this.#text);
  }

  #newlineIn(from: number, to: number): boolean {
    return this.#text.slice(from, to).includes("\n");
  }
}

function commentEnd(text: string, at: number): number {
  const line = text.startsWith("//", at) || text[at] === "#";
  const close = line ? "\n" : text.startsWith("/*", at) ? "*/" : null;
  if (close === null) return at;
  const end = text.indexOf(close, at + 1);
  return end < 0 ? text.length : end + close.length;
}

function requiresNothing(schema: ReadSchema): boolean {
  const required = schema?.["required"];
  return !Array.isArray(required) || required.length === 0;
}
