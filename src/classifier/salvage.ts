/**
 * Gets the value out of a model's text without another call, or says why it must not.
 *
 * Salvage is the only rung of the ladder that costs nothing, so it is tried on every answer; and it is the only one that
 * could make a wrong report look right, so it refuses wherever a careful reader would have to choose. A text cut by its
 * length is never touched: what is missing cannot be seen from what is there.
 *
 *     strict parse ─▶ one escape level less ─▶ candidates between prose, fences and tags ─▶ the one that fits
 *
 * A bracket in prose ("see [2]") is no candidate; a bracket that begins JSON and cannot be read spoils the whole text,
 * since a piece of a broken object is not the answer.
 */
import { isNestedTooDeeply } from "../domain/nesting.ts";
import { looseJson } from "./loose-json.ts";
import { fitsSchema, readSchemaHint, sameJson } from "./schema-hint.ts";
import type { ReadSchema, SchemaShape } from "./schema-hint.ts";
import { isObject } from "./untrusted.ts";

export type Salvaged = { ok: true; value: unknown; repairs: string[] } | { ok: false; why: string };

/** Far beyond any output limit; a longer text is not an answer. */
const MAX_TEXT_CHARS = 2_000_000;
const MAX_CANDIDATES = 1_000;
/** Each reading may look at the whole text, so a text of nothing but broken brackets must not be read from each. */
const MAX_LOOSE_READINGS = 20;

export function salvage(text: string, hint?: SchemaShape, finishReason?: string | null): Salvaged {
  if (typeof text !== "string") return { ok: false, why: "there is no text" };
  if (isCutByLength(finishReason)) return { ok: false, why: "the text was cut by its length limit" };
  if (text.length > MAX_TEXT_CHARS) return { ok: false, why: "the text is too long to be an answer" };
  const schema = readSchemaHint(hint);
  const strict = parseStrictly(text);
  if (strict !== undefined) {
    if (fitsSchema(strict.value, schema) && !isOneStringTooMany(strict.value, schema))
      return { ok: true, value: strict.value, repairs: [] };
    if (typeof strict.value === "string" && /^\s*[{[]/.test(strict.value))
      return withRepair("unescaped", salvageText(strict.value, schema));
    return { ok: false, why: "the JSON does not fit the schema" };
  }
  return salvageText(text, schema);
}

/** The provider's words for "I stopped because there was no room left". */
export function isCutByLength(finishReason: unknown): boolean {
  return (
    typeof finishReason === "string" &&
    /^(?:length|max_?(?:output_?|completion_?|new_?)?tokens|model_length|(?:model_)?context_(?:window|length).*|token_limit.*)$/i.test(
      finishReason.trim(),
    )
  );
}

/** Without a schema a string that holds an object is taken for the object one escape level too deep. */
function isOneStringTooMany(value: unknown, schema: ReadSchema): boolean {
  return schema === null && typeof value === "string" && isObject(parseStrictly(value)?.value);
}

function salvageText(text: string, schema: ReadSchema): Salvaged {
  if (text.trim() === "") return { ok: false, why: "the text is empty" };
  const unescaped = oneEscapeLevelLess(text);
  if (unescaped !== null) return withRepair("unescaped", choose(unescaped, schema));
  return choose(text, schema);
}

interface Candidate {
  start: number;
  end: number;
  value: unknown;
  repairs: string[];
}

function choose(text: string, schema: ReadSchema): Salvaged {
  const scan = scanForCandidates(text, schema);
  if ("why" in scan) return { ok: false, why: scan.why };
  const { candidates, reasoning } = scan;
  const fitting = candidates.filter(({ value }) => fitsSchema(value, schema));
  const [first] = fitting;
  if (first === undefined) return linesAsArray(text, candidates, schema);
  if (fitting.some((other) => !sameJson(other.value, first.value)))
    return linesAsArray(
      text,
      candidates,
      schema,
      "several objects in the text fit, and nothing says which is meant",
    );
  return { ok: true, value: first.value, repairs: repairsOf(text, candidates, first, reasoning) };
}

function repairsOf(text: string, candidates: Candidate[], chosen: Candidate, reasoning: boolean): string[] {
  const repairs = new Set(chosen.repairs);
  const around = `${text.slice(0, chosen.start)} ${text.slice(chosen.end)}`;
  if (reasoning) repairs.add("reasoning");
  if (around.includes("```")) repairs.add("fence");
  if (/^[\s}\]]*$/.test(text.slice(chosen.end)) && /[}\]]/.test(text.slice(chosen.end)))
    repairs.add("closer");
  if (/[^\s`}\]\uFEFF]/.test(around.replaceAll(/```[a-z0-9]*/gi, "")) && !reasoning) repairs.add("prose");
  if (around.includes("\uFEFF")) repairs.add("byte_order_mark");
  if (candidates.length > 1) repairs.add("only_fitting_object");
  return [...repairs];
}

/** One object a line where an array was asked. Only line ends (and commas at them) may stand between the objects. */
function linesAsArray(
  text: string,
  candidates: readonly Candidate[],
  schema: ReadSchema,
  why = candidates.length === 0 ? "there is no JSON in the text" : "no JSON in the text fits the schema",
): Salvaged {
  if (schema === null || candidates.length < 2) return { ok: false, why };
  const values = candidates.map(({ value }) => value);
  const asked = schema["type"] === "array" && values.every(isObject) && fitsSchema(values, schema);
  const separated = candidates.every(({ end }, index) => {
    const next = candidates[index + 1];
    return next === undefined
      ? !/[[\]{},]/.test(text.slice(end))
      : /^[^\S\n]*,?[^\S\n]*\n[\s,]*$/.test(text.slice(end, next.start));
  });
  if (!asked || !separated || /[[\]{}]/.test(text.slice(0, candidates[0]?.start))) return { ok: false, why };
  return {
    ok: true,
    value: values,
    repairs: [...new Set(["lines_as_array", ...candidates.flatMap((each) => each.repairs)])],
  };
}

const REASONING = "(?:think|thinking|thought|thoughts|reasoning|reflection|analysis|scratchpad)";
const OPENS_REASONING = new RegExp(`<(${REASONING})>|\\[THINK\\]`, "iy");
const CLOSES_REASONING = new RegExp(`</${REASONING}>|\\[/THINK\\]`, "iy");

function scanForCandidates(
  text: string,
  schema: ReadSchema,
): { candidates: Candidate[]; reasoning: boolean } | { why: string } {
  let candidates: Candidate[] = [];
  let reasoning = false;
  // A broken object inside reasoning is forgiven once the reasoning is seen to close.
  let broken: string | null = null;
  let looseReadings = 0;
  let at = 0;
  while (at < text.length) {
    const sign = text[at] ?? "";
    if (sign === "<" || sign === "[") {
      OPENS_REASONING.lastIndex = at;
      const opens = OPENS_REASONING.exec(text);
      if (opens !== null) {
        const closer = opens[1] === undefined ? "[/think]" : `</${opens[1].toLowerCase()}>`;
        const close = indexOfIgnoringCase(text, closer, at);
        if (close < 0) return { why: "the reasoning never ends, so there is no answer" };
        reasoning = true;
        at = close + closer.length;
        continue;
      }
      CLOSES_REASONING.lastIndex = at;
      const closes = CLOSES_REASONING.exec(text);
      if (closes !== null) {
        // Some chat templates swallow the opening tag; then everything so far was reasoning.
        candidates = [];
        broken = null;
        reasoning = true;
        at += closes[0].length;
        continue;
      }
    }
    if ((sign === "{" || sign === "[") && beginsJson(text, at)) {
      const reading = strictReadAt(text, at) ?? looseJson(text, schema, at);
      if (!("strict" in reading) && ++looseReadings > MAX_LOOSE_READINGS)
        return { why: "too many brackets in the text do not match" };
      if (reading.outcome === "unreadable") {
        if (!isFirmJson(text, at) && !expectsArray(schema)) {
          at += 1;
          continue;
        }
        broken ??= reading.why;
        const close = text.slice(at).search(new RegExp(`</${REASONING}>|\\[/THINK\\]`, "i"));
        if (close < 0) return { why: broken };
        at += close;
        continue;
      }
      const { end } = reading;
      const loose = isPieceOfMore(text, at, end);
      if (loose !== null) return { why: loose };
      if (reading.repairs.includes("inner_quote") && /["'”]\s*[}\]:]/.test(text.slice(end)))
        return { why: "a quote inside a string has several possible ends" };
      candidates.push({ start: at, end, value: reading.value, repairs: reading.repairs });
      if (candidates.length > MAX_CANDIDATES) return { why: "there are too many objects in the text" };
      at = end;
      continue;
    }
    at += 1;
  }
  if (broken !== null) return { why: broken };
  const alone = /^[\s`\uFEFF]*(?:json)?[\s`]*$/i;
  // "- [ ] check the figures" is a list of things to do, no empty array.
  const said = candidates.filter(
    ({ value, start, end }) =>
      !isEmpty(value) || (alone.test(text.slice(0, start)) && alone.test(text.slice(end))),
  );
  return { candidates: said, reasoning };
}

function strictReadAt(text: string, at: number) {
  const end = endOfBrackets(text, at);
  const parsed = end === null ? undefined : parseStrictly(text.slice(at, end));
  if (end === null || parsed === undefined) return undefined;
  return { outcome: "read" as const, value: parsed.value, end, repairs: [], strict: true };
}

/** Where the bracket at `at` closes if the text is well-formed from there. */
function endOfBrackets(text: string, at: number): number | null {
  let depth = 0;
  let inString = false;
  for (let index = at; index < text.length; index += 1) {
    const sign = text[index];
    if (inString) {
      if (sign === "\\") index += 1;
      else if (sign === '"') inString = false;
    } else if (sign === '"') inString = true;
    else if (sign === "{" || sign === "[") depth += 1;
    else if (sign === "}" || sign === "]") {
      depth -= 1;
      if (depth === 0) return index + 1;
    }
  }
  return null;
}

const JSON_IN_OBJECT = /\{\s*(?:["'“”„‘’«}\d,\\]|\/\/|\/\*|#|[A-Za-z_$][\w$-]{0,200}\s*:)/y;
const JSON_IN_ARRAY = /\[\s*(?:["'“”„‘’«{[\],\\.\d+-]|\/\/|\/\*|(?:true|false|null|none|nan)\b)/iy;

function beginsJson(text: string, at: number): boolean {
  const pattern = text[at] === "{" ? JSON_IN_OBJECT : JSON_IN_ARRAY;
  pattern.lastIndex = at;
  return pattern.test(text);
}

const FIRM_ARRAY = /\[\s*["“{[]/y;

/** "[2 of them]" is prose after all; what begins with a quote, a brace or a key is not. */
function isFirmJson(text: string, at: number): boolean {
  if (text[at] === "{") return true;
  FIRM_ARRAY.lastIndex = at;
  return FIRM_ARRAY.test(text);
}

function expectsArray(schema: ReadSchema): boolean {
  return schema === null || fitsSchema([], { ...schema, items: true });
}

/** A well-formed piece that a broken outer object left behind: `"a": {…}, "b": 2}` without its first brace. */
function isPieceOfMore(text: string, start: number, end: number): string | null {
  if (/["'”]\s*:\s*$/.test(text.slice(Math.max(0, start - 50), start)))
    return "the object is the value of a key whose own object never began";
  if (
    /^[\s}\]]{0,50},\s{0,50}(?:["'“][^"'“”\n]{1,200}["'”]|[A-Za-z_$][\w$]{0,100})\s{0,20}:\s{0,20}["'“\d{[tfn-]/.test(
      text.slice(end, end + 500),
    )
  )
    return "the object goes on after its end";
  return null;
}

/**
 * `{\"a\": \"b\"}`: everything is escaped once more than it should be. Undone for the whole text or not at all: a mix
 * of both levels cannot be told apart.
 */
function oneEscapeLevelLess(text: string): string | null {
  const start = text.search(/[{[]\s*(?:\\[nrt]\s*)*\\"/);
  if (start < 0 || /["{[]/.test(text.slice(0, start))) return null;
  const end = Math.max(text.lastIndexOf("}"), text.lastIndexOf("]"));
  if (end <= start) return null;
  const literal = asStringLiteral(text.slice(start, end + 1));
  const decoded = literal === null ? undefined : parseStrictly(literal)?.value;
  return typeof decoded === "string" ? decoded : null;
}

/** The body as a JSON string, or null where a quote without any escape shows that only some levels were added. */
function asStringLiteral(body: string): string | null {
  const parts: string[] = [];
  for (let at = 0; at < body.length; at += 1) {
    const sign = body[at] ?? "";
    if (sign === "\\") {
      parts.push(body.slice(at, at + 2));
      at += 1;
    } else if (sign === '"') {
      // \\" where \\\" was meant: the inner quote of a string lost its own backslash, and only that fits.
      if (body[at - 1] !== "\\") return null;
      parts.push(String.raw`\"`);
    } else parts.push(sign < " " ? JSON.stringify(sign).slice(1, -1) : sign);
  }
  return `"${parts.join("")}"`;
}

function withRepair(repair: string, salvaged: Salvaged): Salvaged {
  return salvaged.ok ? { ...salvaged, repairs: [repair, ...salvaged.repairs] } : salvaged;
}

function isEmpty(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

/** Wrapped, because null and false are values too. */
function parseStrictly(text: string): { value: unknown } | undefined {
  try {
    const value = JSON.parse(text) as unknown;
    return isNestedTooDeeply(text) ? undefined : { value };
  } catch {
    return undefined;
  }
}

function indexOfIgnoringCase(text: string, part: string, from: number): number {
  const found = text.slice(from).search(new RegExp(part.replaceAll(/[[\]/]/g, String.raw`\$&`), "i"));
  return found < 0 ? -1 : from + found;
}
