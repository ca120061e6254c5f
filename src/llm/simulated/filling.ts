/**
 * A value for a JSON schema, made from what was read in the prompt.
 *
 * Names of fields are taken at their word: `title` gets a title, `risks` get risks, `score` a score. What has no known
 * name gets a sentence. Bounds of the schema win over all of it, since a simulated answer that breaks its own contract
 * would be a fault nobody scripted.
 */
import { IMPROVEMENTS, PARTS, RECOMMENDATIONS, RISKS, SMALL_IMPROVEMENTS, STRENGTHS } from "./phrases.ts";
import { seededRandom } from "./random.ts";
import { sentence, writeText, type Assignment } from "./writing.ts";

type Schema = Record<string, unknown>;

interface Filling {
  assignment: Assignment;
  root: Schema;
  random: () => number;
  /** How often each list of phrases was used, so that neighbours differ. */
  used: Map<readonly string[], number>;
  /** Where the lists of items begin: the fields of one item take the phrases that belong together. */
  offset: number;
}

const MAX_DEPTH = 12;
const USUAL_ITEMS = 3;

export function fillSchema(schema: Schema, assignment: Assignment): unknown {
  const { reading, seed } = assignment;
  const random = seededRandom(`${seed}/${reading.subject}/${JSON.stringify(schema)}`);
  return fill(schema, [], {
    assignment,
    root: schema,
    random,
    used: new Map(),
    offset: Math.floor(random() * 5),
  });
}

function fill(given: Schema, path: readonly string[], filling: Filling): unknown {
  const schema = resolve(given, filling.root);
  if ("const" in schema) return schema["const"];
  if (Array.isArray(schema["enum"])) return fromEnum(schema["enum"] as unknown[], path, filling);
  if (path.length > MAX_DEPTH) return null;
  switch (typeOf(schema)) {
    case "object":
      return fillObject(schema, path, filling);
    case "array":
      return fillArray(schema, path, filling);
    case "integer":
      return Math.round(fillNumber(schema, path, filling, 1));
    case "number":
      return fillNumber(schema, path, filling, 0.01);
    case "boolean":
      return filling.random() < 0.5;
    case "null":
      return null;
    default:
      return fillString(schema, path, filling);
  }
}

/** Follows a reference and picks the first alternative that says something. */
function resolve(given: Schema, root: Schema): Schema {
  let schema = given;
  for (let hop = 0; hop < MAX_DEPTH; hop += 1) {
    const reference = schema["$ref"];
    const choices = schema["anyOf"] ?? schema["oneOf"];
    if (typeof reference === "string") schema = { ...without(schema, "$ref"), ...pointed(reference, root) };
    else if (Array.isArray(choices)) {
      const alternatives = choices.filter(isSchema);
      const chosen = alternatives.find((choice) => choice["type"] !== "null") ?? alternatives[0] ?? {};
      schema = { ...without(without(schema, "anyOf"), "oneOf"), ...chosen };
    } else if (Array.isArray(schema["allOf"])) {
      schema = merged(without(schema, "allOf"), schema["allOf"].filter(isSchema));
    } else return schema;
  }
  return {};
}

function merged(schema: Schema, parts: readonly Schema[]): Schema {
  let properties = isSchema(schema["properties"]) ? schema["properties"] : {};
  let whole = schema;
  for (const part of parts) {
    if (isSchema(part["properties"])) properties = { ...properties, ...part["properties"] };
    whole = { ...whole, ...part };
  }
  return Object.keys(properties).length === 0 ? whole : { ...whole, properties };
}

function pointed(reference: string, root: Schema): Schema {
  let at: unknown = root;
  for (const step of reference.split("/").slice(1)) {
    const name = step.replaceAll("~1", "/").replaceAll("~0", "~");
    at = isSchema(at) ? at[name] : undefined;
  }
  return isSchema(at) ? at : {};
}

function without(schema: Schema, name: string): Schema {
  return Object.fromEntries(Object.entries(schema).filter(([key]) => key !== name));
}

function typeOf(schema: Schema): string {
  const { type } = schema;
  if (typeof type === "string") return type;
  if (Array.isArray(type)) return String(type.find((name) => name !== "null") ?? "null");
  if ("properties" in schema) return "object";
  if ("items" in schema) return "array";
  return "string";
}

/** In a list, steps are ranked: the gravest finding first, the smallest piece of work first. */
function fromEnum(values: readonly unknown[], path: readonly string[], { random }: Filling): unknown {
  const index = indexIn(path);
  if (index === null) return values[Math.floor(values.length * random())];
  const grave = /severity|priority|impact|risk|level|urgency/.test(lastName(path));
  const at = Math.min(index, values.length - 1);
  return values[grave && isAscending(values) ? values.length - 1 - at : at];
}

function isAscending(values: readonly unknown[]): boolean {
  return /^(?:low|minor|info|trivial|none)/i.test(String(values[0]));
}

function fillObject(schema: Schema, path: readonly string[], filling: Filling): Schema {
  const properties = isSchema(schema["properties"]) ? schema["properties"] : {};
  return Object.fromEntries(
    Object.entries(properties).map(([name, property]) => [
      name,
      fill(isSchema(property) ? property : {}, [...path, name], filling),
    ]),
  );
}

function fillArray(schema: Schema, path: readonly string[], filling: Filling): unknown[] {
  const fixed = Array.isArray(schema["prefixItems"]) ? schema["prefixItems"].filter(isSchema) : [];
  const least = numberOr(schema["minItems"], 0);
  const most = numberOr(schema["maxItems"], Infinity);
  const items = isSchema(schema["items"]) ? schema["items"] : null;
  const wanted = items === null ? fixed.length : Math.max(fixed.length, usualItems(path, filling));
  const count = Math.min(most, Math.max(least, wanted));
  const filled: unknown[] = [];
  // An enum may not have as many different values as a set asks for; the bound ends the search.
  for (let turn = 0; filled.length < count && turn < count * 8; turn += 1) {
    const value = fill(fixed[filled.length] ?? items ?? {}, [...path, String(filled.length)], filling);
    if (
      schema["uniqueItems"] === true &&
      filled.some((other) => JSON.stringify(other) === JSON.stringify(value))
    )
      continue;
    filled.push(value);
  }
  return filled;
}

function usualItems(path: readonly string[], { assignment }: Filling): number {
  const name = lastName(path);
  if (assignment.reading.task !== "critique") return USUAL_ITEMS;
  // An editor finds less to improve in a text that was improved.
  if (/improve|weak|issue|problem/.test(name)) return assignment.reading.revisions === 0 ? 3 : 1;
  return 2;
}

function fillNumber(schema: Schema, path: readonly string[], filling: Filling, step: number): number {
  const multiple = numberOr(schema["multipleOf"], step);
  const least = lowerBound(schema, multiple);
  const most = upperBound(schema, multiple, least);
  const name = lastName(path);
  if (name === "score" || name === "rating") {
    const score = scoreOf(filling);
    // On a scale to 100 or to 1 it is the same opinion.
    const scaled =
      most > 10 && Number.isFinite(most)
        ? score * 10
        : most <= 1
          ? score / 10
          : most < 10
            ? (score * most) / 10
            : score;
    return clamp(Math.round(scaled / multiple) * multiple, least, most);
  }
  const guess = Number.isFinite(most)
    ? least + (most - least) * (0.4 + 0.4 * filling.random())
    : least + 1 + Math.floor(filling.random() * 9);
  return clamp(Number((Math.round(guess / multiple) * multiple).toFixed(6)), least, most);
}

/** A draft gets 6. A text that went through a revision is good enough, mostly for a high bar too. */
function scoreOf({ assignment, random }: Filling): number {
  const { revisions } = assignment.reading;
  if (revisions === 0) return 6;
  return revisions === 1 ? 8 + Math.floor(random() * 2) : 9;
}

function lowerBound(schema: Schema, step: number): number {
  const exclusive = schema["exclusiveMinimum"];
  const bound = typeof exclusive === "number" ? exclusive + step : numberOr(schema["minimum"], 0);
  return bound < -1_000_000_000 ? 0 : bound;
}

function upperBound(schema: Schema, step: number, least: number): number {
  const exclusive = schema["exclusiveMaximum"];
  const bound = typeof exclusive === "number" ? exclusive - step : numberOr(schema["maximum"], Infinity);
  // Schemas of integers name the largest safe integer; that is a type and not a scale.
  return bound > 1_000_000_000 ? Infinity : Math.max(bound, least);
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}

function fillString(schema: Schema, path: readonly string[], filling: Filling): string {
  const formatted = fromFormat(schema, path, filling);
  if (formatted !== null) return formatted;
  const least = numberOr(schema["minLength"], 0);
  const most = numberOr(schema["maxLength"], Infinity);
  let text = namedText(path, schema["description"], filling);
  for (let turn = 0; text.length < least && turn < 200; turn += 1) text += ` ${anySentence(filling)}`;
  return text.length <= most ? text : shortened(text, most);
}

/** Cut after a sentence where one ends in time, else after a word. */
function shortened(text: string, most: number): string {
  const cut = text.slice(0, most);
  const end = Math.max(cut.lastIndexOf(". "), cut.endsWith(".") ? cut.length - 1 : -1);
  if (end > most / 2) return cut.slice(0, end + 1);
  const word = cut.lastIndexOf(" ");
  return word > most / 2 ? cut.slice(0, word) : cut;
}

function fromFormat(schema: Schema, path: readonly string[], filling: Filling): string | null {
  const index = indexIn(path);
  const { subject } = filling.assignment.reading;
  switch (schema["format"]) {
    case "date":
      return "2026-06-30";
    case "date-time":
      return "2026-06-30T12:00:00Z";
    case "email":
      return "reader@example.com";
    case "uri":
    case "url":
      return "https://example.com/";
    case "uuid":
      return "00000000-0000-4000-8000-000000000000";
    default:
  }
  const name = lastName(path);
  if (!/^(?:key|id|slug|code|identifier)$/.test(name) && typeof schema["pattern"] !== "string") return null;
  const words = `${headingOf(index, filling)} ${subject}`.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
  const short = words
    .replaceAll(/^-+|-+$/g, "")
    .split("-")
    .slice(0, 3)
    .join("-")
    .slice(0, 30);
  const slug = index === null ? short : `${short}-${index + 1}`;
  const most = numberOr(schema["maxLength"], Infinity);
  return slug.length <= most ? slug : slug.slice(-most).replace(/^-+/, "");
}

function namedText(path: readonly string[], description: unknown, filling: Filling): string {
  const name = lastName(path);
  const { assignment } = filling;
  const { reading } = assignment;
  const about = reading.theme === "general" ? "general" : "packages";
  if (reading.task === "critique") {
    if (/strength|keep|praise/.test(name)) return next(STRENGTHS, filling);
    if (/improve|weak|issue|problem|suggest/.test(name))
      return next(reading.revisions === 0 ? IMPROVEMENTS : SMALL_IMPROVEMENTS, filling);
    if (/summary|judg|verdict|comment|feedback/.test(name)) return judgement(reading.revisions);
  }
  if (/^(?:title|heading|headline|topic|subject|label)$/.test(name)) return headingOf(indexIn(path), filling);
  if (/^(?:name|package|dependency|component)s?$/.test(name)) return nameOf(filling);
  if (/risk|threat|exposure|concern|finding|weak|issue|problem|reason|rationale|why|because/.test(name))
    return inOrder(RISKS[about], path, filling);
  if (/recommend|action|step|mitigation|remedy|measure|advice|todo|next/.test(name))
    return inOrder(RECOMMENDATIONS[about], path, filling);
  if (/assessment|approach|strategy|verdict|outlook|explanation/.test(name)) return paragraph(filling);
  if (/text|body|markdown|content|prose|overview|analysis|narrative|section|report|article|draft/.test(name))
    return writeText(assignment);
  if (/summary|abstract|conclusion|headline_message/.test(name))
    return `${anySentence(filling)} ${next(RECOMMENDATIONS[about], filling)}`;
  if (typeof description === "string" && /one word|few words/i.test(description))
    return headingOf(null, filling);
  return anySentence(filling);
}

function judgement(revisions: number): string {
  return revisions === 0
    ? "A sound draft with a clear structure; it buries its conclusion and does not yet say how anybody would notice that it is wrong."
    : "The conclusion now comes first and can be tested; the text is fit to be published as it stands.";
}

/** Headings of the theme, one after the other; they read as titles of sections, of findings and of parts alike. */
function headingOf(index: number | null, { assignment, random }: Filling): string {
  const parts = PARTS[assignment.reading.theme];
  const at = index ?? Math.floor(random() * parts.length);
  return parts[at % parts.length]?.heading ?? "Overview";
}

/** A package of the source where one was named, else the subject. */
function nameOf(filling: Filling): string {
  const { facts, subject } = filling.assignment.reading;
  const names = facts.map((fact) => fact.label).filter((label) => /^@?[a-z0-9][\w./-]*$/.test(label));
  return names[Math.floor(filling.random() * names.length)] ?? subject;
}

/** The same phrase for the same item, whichever of its fields asks. */
function inOrder(phrases: readonly string[], path: readonly string[], filling: Filling): string {
  const index = indexIn(path);
  if (index === null) return next(phrases, filling);
  return sentence(
    phrases[(filling.offset + index) % phrases.length] ?? "",
    filling.assignment.reading.subject,
  );
}

function paragraph({ assignment }: Filling): string {
  const { theme, subject } = assignment.reading;
  const sentences = PARTS[theme][0]?.sentences ?? [];
  return sentences.map((text) => sentence(text, subject)).join(" ");
}

function anySentence(filling: Filling): string {
  const { facts, theme } = filling.assignment.reading;
  const fact = facts[Math.floor(filling.random() * facts.length * 2)];
  if (fact !== undefined) return `${fact.label}: ${fact.value}.`;
  const parts = PARTS[theme];
  const part = parts[Math.floor(filling.random() * parts.length)];
  return next(part?.sentences ?? RECOMMENDATIONS.general, filling);
}

function next(phrases: readonly string[], filling: Filling): string {
  const at = filling.used.get(phrases) ?? Math.floor(filling.random() * phrases.length);
  filling.used.set(phrases, at + 1);
  return sentence(phrases[at % phrases.length] ?? "", filling.assignment.reading.subject);
}

/** The field's name; for an item of a list, the list's. */
function lastName(path: readonly string[]): string {
  return (path.findLast((step) => !/^\d+$/.test(step)) ?? "").toLowerCase();
}

function indexIn(path: readonly string[]): number | null {
  const step = path.findLast((part) => /^\d+$/.test(part));
  return step === undefined ? null : Number(step);
}

function numberOr(value: unknown, otherwise: number): number {
  return typeof value === "number" ? value : otherwise;
}

function isSchema(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
