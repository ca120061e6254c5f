/**
 * What the section expected of the model's text, as far as a repair needs it: which keys must be there and of which
 * type. It chooses between candidates and tells whether a missing brace hid a missing key; the section's own schema
 * still validates the result.
 *
 * At run time the hint is the JSON Schema of the section. In a log or a corpus it may be prose: "object {name: string,
 * skills: string[], score: number|null}". Both end as JSON Schema, so there is one reader.
 */
import { isObject } from "./untrusted.ts";
import type { JsonObject } from "./untrusted.ts";

/** A JSON Schema, a sentence that describes one, or nothing. Anything else counts as nothing. */
export type SchemaShape = JsonObject | string | null | undefined;

export type ReadSchema = JsonObject | null;

const MAX_HINT_CHARS = 4_000;
const MAX_DEPTH = 40;
const TYPES = ["string", "number", "integer", "boolean", "null", "object", "array"];

export function readSchemaHint(hint: unknown): ReadSchema {
  if (isObject(hint)) {
    const known = [
      "type",
      "properties",
      "items",
      "anyOf",
      "oneOf",
      "allOf",
      "$ref",
      "enum",
      "const",
      "required",
    ];
    return known.some((key) => key in hint) ? hint : null;
  }
  if (typeof hint !== "string" || hint.length > MAX_HINT_CHARS) return null;
  return new HintReader(hint).read();
}

/** True where `value` has the keys and types the schema asks for. Bounds, formats and extra keys are not looked at. */
export function fitsSchema(value: unknown, schema: ReadSchema): boolean {
  return schema === null || fits(value, schema, schema, 0);
}

/** The schema of a property or an element, for the one repair that depends on it: NaN where null is allowed. */
export function childSchema(schema: ReadSchema, root: ReadSchema, key: string | null): ReadSchema {
  if (schema === null || root === null) return null;
  const resolved = resolve(schema, root);
  for (const option of optionsOf(resolved).filter(isObject)) {
    const child = childSchema(option, root, key);
    if (child !== null) return child;
  }
  if (key === null) return isObject(resolved["items"]) ? resolved["items"] : null;
  const properties = resolved["properties"];
  if (isObject(properties) && Object.hasOwn(properties, key) && isObject(properties[key]))
    return properties[key];
  return isObject(resolved["additionalProperties"]) ? resolved["additionalProperties"] : null;
}

/** True only where a schema says so; without one, null is an invention. */
export function allowsNull(schema: ReadSchema, root: ReadSchema): boolean {
  if (schema === null) return false;
  const resolved = resolve(schema, root ?? schema);
  if (resolved["nullable"] === true) return true;
  const type = resolved["type"];
  if (type === "null" || (Array.isArray(type) && type.includes("null"))) return true;
  if (Array.isArray(resolved["enum"]) && resolved["enum"].includes(null)) return true;
  return optionsOf(resolved).some((option) => isObject(option) && option["type"] === "null");
}

function fits(value: unknown, given: unknown, root: JsonObject, depth: number): boolean {
  if (given === true) return true;
  if (given === false) return false;
  if (!isObject(given) || depth > MAX_DEPTH) return true;
  const schema = resolve(given, root);
  if (schema["nullable"] === true && value === null) return true;
  const type = schema["type"];
  const types = typeof type === "string" ? [type] : Array.isArray(type) ? type : [];
  if (types.length > 0 && !types.some((name) => isOfType(value, name))) return false;
  if ("const" in schema && !sameJson(value, schema["const"])) return false;
  if (Array.isArray(schema["enum"]) && !schema["enum"].some((allowed) => sameJson(value, allowed)))
    return false;
  for (const all of listOf(schema["allOf"])) if (!fits(value, all, root, depth + 1)) return false;
  const options = optionsOf(schema);
  if (options.length > 0 && !options.some((option) => fits(value, option, root, depth + 1))) return false;
  if (Array.isArray(value)) {
    const prefix = listOf(schema["prefixItems"]);
    return value.every((item, index) =>
      fits(item, prefix[index] ?? schema["items"] ?? true, root, depth + 1),
    );
  }
  if (!isObject(value)) return true;
  const properties = isObject(schema["properties"]) ? schema["properties"] : {};
  for (const key of listOf(schema["required"])) {
    if (typeof key !== "string" || Object.hasOwn(value, key)) continue;
    const missing = properties[key];
    // The section's own schema fills in a default, so the model may leave it out.
    if (!(isObject(missing) && "default" in missing)) return false;
  }
  const others = schema["additionalProperties"];
  return Object.entries(value).every(([key, item]) =>
    Object.hasOwn(properties, key)
      ? fits(item, properties[key], root, depth + 1)
      : !isObject(others) || fits(item, others, root, depth + 1),
  );
}

function resolve(schema: JsonObject, root: JsonObject): JsonObject {
  let current = schema;
  for (let hops = 0; hops < 16; hops += 1) {
    const reference = current["$ref"];
    if (typeof reference !== "string") return current;
    if (reference === "#") return root;
    if (!reference.startsWith("#/")) return {};
    let target: unknown = root;
    for (const part of reference.slice(2).split("/"))
      target = isObject(target) ? target[part.replaceAll("~1", "/").replaceAll("~0", "~")] : undefined;
    if (!isObject(target)) return {};
    current = target;
  }
  return {};
}

function optionsOf(schema: JsonObject): unknown[] {
  return [...listOf(schema["anyOf"]), ...listOf(schema["oneOf"])];
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function isOfType(value: unknown, type: unknown): boolean {
  switch (type) {
    case "string":
    case "boolean":
      return typeof value === type;
    case "number":
      return typeof value === "number";
    case "integer":
      return Number.isInteger(value);
    case "null":
      return value === null;
    case "array":
      return Array.isArray(value);
    case "object":
      return isObject(value);
    default:
      return true;
  }
}

/** Deep equality of JSON values; key order does not matter. */
export function sameJson(left: unknown, right: unknown): boolean {
  if (Object.is(left, right) || (left === 0 && right === 0)) return true;
  if (Array.isArray(left) || Array.isArray(right)) {
    return (
      Array.isArray(left) &&
      Array.isArray(right) &&
      left.length === right.length &&
      left.every((item, index) => sameJson(item, right[index]))
    );
  }
  if (!isObject(left) || !isObject(right)) return false;
  const keys = Object.keys(left);
  return (
    keys.length === Object.keys(right).length &&
    keys.every((key) => Object.hasOwn(right, key) && sameJson(left[key], right[key]))
  );
}

/**
 * Reads the prose form. Every key is required unless marked `?` or `(optional)`; a key without a type may hold
 * anything. What it does not understand makes the place open, never the whole hint wrong.
 */
class HintReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  read(): ReadSchema {
    const schema = this.#type(0);
    return schema !== null && Object.keys(schema).length > 0 ? schema : null;
  }

  #type(depth: number): JsonObject | null {
    if (depth > MAX_DEPTH) return null;
    const options: JsonObject[] = [];
    do {
      const one = this.#single(depth);
      if (one === null) break;
      options.push(one);
    } while (this.#take(/\s*(?:\||\bor\b)\s*/y) !== null);
    if (options.length === 0) return null;
    return options.length === 1 ? (options[0] ?? null) : { anyOf: options };
  }

  #single(depth: number): JsonObject | null {
    let schema: JsonObject | null = null;
    if (this.#take(/\s*(?:an? )?(?:array|list) of\s+/iy) !== null) {
      schema = { type: "array", items: this.#type(depth + 1) ?? {} };
    } else if (this.#take(/\s*(?:an? )?(?:object\s*)?\{/iy) !== null) {
      schema = this.#fields(depth);
    } else {
      const word = this.#take(/\s*(?:an? )?([a-z]+)\b/iy)?.[1]?.toLowerCase();
      if (word === undefined) return null;
      const type = word.endsWith("s") && TYPES.includes(word.slice(0, -1)) ? word.slice(0, -1) : word;
      schema = TYPES.includes(type) ? { type } : {};
    }
    while (this.#take(/\s*\[\]/y) !== null) schema = { type: "array", items: schema };
    return schema;
  }

  #fields(depth: number): JsonObject {
    const properties: JsonObject = {};
    const required: string[] = [];
    for (let count = 0; count < 200; count += 1) {
      if (this.#take(/\s*\}/y) !== null) break;
      const key = this.#take(/[\s,]*["'`]?([A-Za-z_$][\w$-]*)["'`]?/y)?.[1];
      if (key === undefined) break;
      let optional = this.#take(/\?/y) !== null;
      let schema: JsonObject = {};
      while (this.#take(/\s*\[\]/y) !== null) schema = { type: "array", items: schema };
      optional = this.#remark() || optional;
      if (this.#take(/\s*:/y) !== null) schema = this.#type(depth + 1) ?? {};
      optional = this.#remark() || optional;
      // defineProperty, so that a key called __proto__ stays a key.
      Object.defineProperty(properties, key, {
        value: schema,
        enumerable: true,
        configurable: true,
        writable: true,
      });
      if (!optional) required.push(key);
    }
    return { type: "object", properties, required };
  }

  #remark(): boolean {
    return /optional/i.test(this.#take(/\s*\([^)]{0,100}\)/y)?.[0] ?? "");
  }

  #take(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match !== null) this.#at = pattern.lastIndex;
    return match;
  }
}
