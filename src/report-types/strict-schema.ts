/**
 * The JSON Schema a provider is asked to fill, in the subset that structured outputs accept: every object closed, every
 * property required, no open maps. What the subset cannot say is found at boot and costs nothing; found by the
 * provider it would be a broken report type with customers waiting.
 *
 * Two kinds of difference to what zod emits. Bounds that providers refuse as keywords (string lengths, foreign formats)
 * move into the description, because zod still checks them on the answer. Shapes with no strict form are problems.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { canonicalJson } from "../domain/canonical-json.ts";
import { FleetError } from "../domain/fleet-error.ts";
import type { OutputContract } from "./define-report.ts";

type JsonSchema = Record<string, unknown>;
type JsonContract = Extract<OutputContract<unknown>, { kind: "json" }>;

export type StrictSchema = { ok: true; schema: JsonSchema } | { ok: false; problems: string[] };

const MAX_NESTING = 10;
const MAX_PROPERTIES = 5_000;
const KNOWN_FORMATS = ["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"];

/** Understood by structured outputs as they stand. */
const KEPT = [
  "type",
  "description",
  "enum",
  "const",
  "multipleOf",
  "minimum",
  "maximum",
  "exclusiveMinimum",
  "exclusiveMaximum",
  "minItems",
  "maxItems",
  "$ref",
];

/** With the sentence that says what to write instead. */
const REFUSED: Record<string, string> = {
  allOf: "is an intersection; write one z.object with all the fields",
  not: "can never be filled (z.never); remove it",
  prefixItems: "is a tuple; use z.object with a field for each place",
  patternProperties: "has open keys (z.record); use a list of objects with a key field",
  propertyNames: "has open keys (z.record); use a list of objects with a key field",
};

export function strictSchema(schema: z.ZodType): StrictSchema {
  let emitted: JsonSchema;
  try {
    // `input`, because the model's answer goes into the schema, not out of it.
    emitted = z.toJSONSchema(schema, { target: "draft-2020-12", io: "input" }) as JsonSchema;
  } catch (error) {
    return {
      ok: false,
      problems: [
        `cannot be written as JSON Schema: ${error instanceof Error ? error.message : String(error)}`,
      ],
    };
  }
  const problems: string[] = [];
  const counted = { properties: 0 };
  const strict = tighten(emitted, "the answer", 0, problems, counted);
  const definitions = emitted["$defs"];
  if (isSchema(definitions)) {
    strict["$defs"] = mapValues(definitions, (value, name) => tighten(value, name, 1, problems, counted));
  }
  if (strict["type"] !== "object" && !("$ref" in strict)) {
    problems.push("the answer must be an object at its root; wrap it: z.object({ items: … })");
  }
  if (counted.properties > MAX_PROPERTIES) {
    problems.push(`has ${counted.properties} properties; structured outputs take ${MAX_PROPERTIES}`);
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, schema: strict };
}

const converted = new WeakMap<z.ZodType, JsonSchema>();

/** The schema to send along with a call; a type that passed the boot lint never throws here. */
export function jsonSchemaOf(output: JsonContract): Record<string, unknown> {
  const known = converted.get(output.schema);
  if (known) return known;
  const strict = strictSchema(output.schema);
  if (!strict.ok) {
    throw new FleetError("invalid_type", `The output "${output.name}" ${strict.problems.join("; ")}.`);
  }
  converted.set(output.schema, strict.schema);
  return strict.schema;
}

/**
 * Names what an answer was checked against, so that one stored under another contract is validated again, for free.
 * A `.refine()` is code and leaves no trace in it: raising the type's version says that one changed.
 */
export function contractHash(output: OutputContract<unknown>): string {
  const asked =
    output.kind === "json"
      ? { kind: output.kind, name: output.name, schema: jsonSchemaOf(output) }
      : { kind: output.kind, minChars: output.minChars };
  return createHash("sha256").update(canonicalJson(asked)).digest("hex");
}

function tighten(
  from: unknown,
  path: string,
  depth: number,
  problems: string[],
  counted: { properties: number },
): JsonSchema {
  if (!isSchema(from) || Object.keys(from).length === 0) {
    problems.push(`${path} accepts anything; give it a type`);
    return {};
  }
  if (depth > MAX_NESTING) {
    problems.push(`${path} is nested deeper than ${MAX_NESTING} levels; flatten it`);
    return {};
  }
  for (const [keyword, instead] of Object.entries(REFUSED)) {
    if (keyword in from) problems.push(`${path} ${instead}`);
  }
  const to: JsonSchema = {};
  for (const keyword of KEPT) if (keyword in from) to[keyword] = from[keyword];
  dropSafeIntegerBounds(to);
  keepFormat(from, to);
  describeLengths(from, to);

  const alternatives = from["anyOf"] ?? from["oneOf"];
  if (Array.isArray(alternatives)) {
    to["anyOf"] = alternatives.map((one, index) =>
      tighten(one, `${path} (form ${index + 1})`, depth, problems, counted),
    );
  }
  if (from["type"] === "array") {
    if (!("prefixItems" in from))
      to["items"] = tighten(from["items"], `${path}[]`, depth + 1, problems, counted);
  }
  if (from["type"] === "object") closeObject(from, to, path, depth, problems, counted);
  return to;
}

function closeObject(
  from: JsonSchema,
  to: JsonSchema,
  path: string,
  depth: number,
  problems: string[],
  counted: { properties: number },
): void {
  const open = from["additionalProperties"];
  if (open !== undefined && open !== false && !("propertyNames" in from)) {
    problems.push(
      `${path} has open keys; use z.object with named fields, or a list of objects with a key field`,
    );
  }
  const properties = isSchema(from["properties"]) ? from["properties"] : {};
  const required = Array.isArray(from["required"]) ? (from["required"] as unknown[]) : [];
  const inside = path === "the answer" ? "" : `${path}.`;
  for (const name of Object.keys(properties)) {
    counted.properties += 1;
    if (!required.includes(name)) {
      problems.push(`${inside}${name} may be left out; use .nullable() instead of .optional() or .default()`);
    }
  }
  to["properties"] = mapValues(properties, (value, name) =>
    tighten(value, `${inside}${name}`, depth + 1, problems, counted),
  );
  to["required"] = Object.keys(properties);
  to["additionalProperties"] = false;
}

/** `z.int()` says the range of exact doubles; as a bound it only confuses the model. */
function dropSafeIntegerBounds(schema: JsonSchema): void {
  if (schema["minimum"] === Number.MIN_SAFE_INTEGER) delete schema["minimum"];
  if (schema["maximum"] === Number.MAX_SAFE_INTEGER) delete schema["maximum"];
}

function keepFormat(from: JsonSchema, to: JsonSchema): void {
  const { format, pattern } = from;
  if (typeof format === "string" && KNOWN_FORMATS.includes(format)) to["format"] = format;
  else if (typeof format === "string") describe(to, `A valid ${format}.`);
  // Where a format says it, zod's pattern is only its implementation, often with lookaheads that providers refuse.
  else if (typeof pattern === "string" && !pattern.includes("(?")) to["pattern"] = pattern;
}

function describeLengths(from: JsonSchema, to: JsonSchema): void {
  if (typeof from["minLength"] === "number") describe(to, `At least ${from["minLength"]} characters.`);
  if (typeof from["maxLength"] === "number") describe(to, `At most ${from["maxLength"]} characters.`);
}

function describe(schema: JsonSchema, sentence: string): void {
  const before = schema["description"];
  schema["description"] = typeof before === "string" ? `${before} ${sentence}` : sentence;
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function mapValues(record: JsonSchema, map: (value: unknown, name: string) => JsonSchema): JsonSchema {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value, name)]));
}
