/**
 * Finds what was said innermost.
 *
 * Gateways wrap: a provider's JSON travels as a string in `error.message` or `error.metadata.raw`, in an array, in a
 * flat body, in an SSE event or behind "litellm.BadRequestError: … - {…}". The label of the gateway says little; the
 * innermost text decides. Each level is a `Layer`, and rules are asked from the innermost outwards.
 */
import { looseJson } from "./loose-json.ts";
import { boundedText, isObject, statusOf, textOf } from "./untrusted.ts";
import type { JsonObject } from "./untrusted.ts";

export interface Layer {
  /** As the sender wrote it, for a person. */
  message: string;
  /** Lower case, without addresses: a link to a billing page is no statement about money. */
  text: string;
  /** Codes, types and reasons of this level, lower case, separated by spaces. */
  label: string;
  /** The same words apart and as written, for codes that are case-sensitive. */
  codes: readonly string[];
  /** The parameter the sender blames, lower case. */
  param: string;
  /** An HTTP status written inside the body, as OpenRouter does in a 200. */
  status: number | null;
  /** Seconds named by a field of the body: google.rpc.RetryInfo, `retry_after`. */
  namedWait: string | null;
  /** Headers of the upstream answer that a gateway put into its body. */
  headers: JsonObject | null;
}

const MAX_LAYERS = 24;
const MAX_DEPTH = 10;

const MESSAGE_KEYS = [
  "message",
  "msg",
  "Message",
  "detail",
  "details",
  "error_message",
  "errorMessage",
  "error_description",
  "description",
  "title",
  "reason",
  "block_reason_message",
];
const LABEL_KEYS = [
  "code",
  "type",
  "status",
  "reason",
  "name",
  "error_type",
  "error_code",
  "errorCode",
  "errorType",
  "__type",
  "Code",
  "Type",
  "error",
];
/** Where senders put what they were told themselves. */
const WRAPPER_KEYS = [
  "error",
  "errors",
  "detail",
  "message",
  "metadata",
  "raw",
  "body",
  "response",
  "upstream_error",
  "provider_error",
  "original_error",
  "originalError",
  "cause",
  "Error",
];

/** Outermost first. Never throws, whatever it is given. */
export function unwrap(value: unknown): Layer[] {
  const layers: Layer[] = [];
  collect(value, layers, new Set(), 0);
  return layers;
}

export function layerOfText(message: string, label = ""): Layer {
  return {
    message: boundedText(message),
    text: withoutAddresses(boundedText(message)).toLowerCase(),
    label: label.toLowerCase(),
    codes: label === "" ? [] : label.split(" ").slice(0, 20),
    param: "",
    status: statusInText(message),
    namedWait: null,
    headers: null,
  };
}

function collect(value: unknown, layers: Layer[], seen: Set<unknown>, depth: number): void {
  if (depth > MAX_DEPTH || layers.length >= MAX_LAYERS) return;
  if (typeof value === "string") {
    collectText(boundedText(value).trim(), layers, seen, depth);
    return;
  }
  if (typeof value !== "object" || value === null || seen.has(value)) return;
  seen.add(value);
  if (Array.isArray(value)) {
    // Gemini's OpenAI-compatible endpoint answers with [{"error": …}], FastAPI with a list of {loc, msg, type}.
    for (const element of value.slice(0, 4)) collect(element, layers, seen, depth + 1);
    return;
  }
  const object = value as JsonObject;
  const layer = layerOf(object);
  if (layer !== null) layers.push(layer);
  for (const key of WRAPPER_KEYS) {
    const inner = object[key];
    // A plain sentence in `message` is this layer's own; only JSON inside it is a further layer.
    if (typeof inner === "string" && !(key === "error" && layer === null) && !mayHoldJson(inner)) {
      if (key === "raw" || (key === "error" && typeof object["message"] !== "string"))
        collect(inner, layers, seen, depth + 1);
      continue;
    }
    if (typeof inner === "string" && (key === "message" || key === "detail")) {
      for (const json of jsonInside(inner)) collect(json, layers, seen, depth + 1);
      continue;
    }
    collect(inner, layers, seen, depth + 1);
  }
}

function collectText(text: string, layers: Layer[], seen: Set<unknown>, depth: number): void {
  if (text === "") return;
  if (isEventStream(text)) {
    for (const event of eventsOf(text))
      if (isObject(event) && (isObject(event["error"]) || event["type"] === "error" || "error" in event))
        collect(event, layers, seen, depth + 1);
    return;
  }
  const whole = parsed(text);
  if (typeof whole === "object" && whole !== null) {
    collect(whole, layers, seen, depth + 1);
    return;
  }
  layers.push(isMarkup(text) ? layerOfMarkup(text) : layerOfText(text));
  for (const json of jsonInside(text)) collect(json, layers, seen, depth + 1);
}

function layerOf(object: JsonObject): Layer | null {
  const message = firstText(object, MESSAGE_KEYS);
  const labels: string[] = [];
  for (const key of LABEL_KEYS) {
    const word = textOf(object[key]);
    if (word !== null && word.length <= 120) labels.push(word);
  }
  const details: string[] = [];
  gatherDetails(object, details, 0, { left: 60 });
  if (message === null && labels.length === 0 && details.length === 0) return null;
  return {
    ...layerOfText(message ?? "", [...labels, ...details].join(" ")),
    param: textOf(object["param"] ?? object["loc"])?.toLowerCase() ?? "",
    status:
      statusOf(object["code"]) ??
      statusOf(object["status"]) ??
      statusOf(object["statusCode"]) ??
      statusOf(object["status_code"]) ??
      statusInText(message ?? ""),
    namedWait: namedWaitIn(object),
    headers:
      isObject(object["metadata"]) && isObject(object["metadata"]["headers"])
        ? object["metadata"]["headers"]
        : null,
  };
}

/**
 * Words that sit one or two levels below without being an error of their own: Google's `details[].violations[].quotaId`,
 * Azure's `innererror.code`, OpenRouter's `metadata.reasons`.
 */
const DETAIL_PARENTS = [
  "details",
  "innererror",
  "inner_error",
  "provider_specific_fields",
  "violations",
  "fieldViolations",
];
const DETAIL_KEYS = [
  "code",
  "reason",
  "quotaId",
  "quotaMetric",
  "quotaValue",
  "description",
  "subject",
  "limit_source",
  "@type",
];

function gatherDetails(object: JsonObject, into: string[], depth: number, budget: { left: number }): void {
  if (depth > 3) return;
  const metadata = object["metadata"];
  if (isObject(metadata) && (nonEmptyList(metadata["reasons"]) || "flagged_input" in metadata))
    into.push("flagged_input");
  for (const parent of DETAIL_PARENTS) {
    const inner = object[parent];
    for (const item of Array.isArray(inner) ? inner.slice(0, 10) : [inner]) {
      if (!isObject(item) || budget.left-- <= 0) continue;
      for (const key of DETAIL_KEYS) {
        const word = textOf(item[key]);
        if (word !== null && word.length <= 200)
          into.push(key === "quotaValue" ? `quotavalue=${word}` : word);
      }
      gatherDetails(item, into, depth + 1, budget);
    }
  }
}

function namedWaitIn(object: JsonObject): string | null {
  const details = Array.isArray(object["details"]) ? object["details"].slice(0, 10) : [];
  for (const detail of details) {
    if (!isObject(detail)) continue;
    const delay = detail["retryDelay"] ?? detail["retry_delay"];
    // The protobuf form of a duration, as gRPC clients print it.
    if (isObject(delay)) return `${Number(delay["seconds"] ?? 0) + Number(delay["nanos"] ?? 0) / 1e9}s`;
    if (typeof delay === "string") return delay;
  }
  for (const holder of [object, object["metadata"]]) {
    if (!isObject(holder)) continue;
    const milliseconds = textOf(holder["retry_after_ms"]);
    if (milliseconds !== null) return `${milliseconds}ms`;
    const seconds = textOf(holder["retry_after"] ?? holder["retry_after_seconds"] ?? holder["retryAfter"]);
    if (seconds !== null) return /^[\d.]+$/.test(seconds) ? `${seconds}s` : seconds;
  }
  return null;
}

function firstText(object: JsonObject, keys: readonly string[]): string | null {
  for (const key of keys) {
    const value = object[key];
    if (typeof value === "string" && value.trim() !== "") return boundedText(value);
  }
  return null;
}

function nonEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0;
}

/** "429 …", "Error code: 429 - …", "Request failed with status code 503", as clients write them into messages. */
function statusInText(text: string): number | null {
  const match =
    /^(?:error )?([45]\d\d) (?:status code|\{|[a-z])/i.exec(text) ??
    /\b(?:status(?: ?code)?|error code|http(?:\/\d(?:\.\d)?)?(?: status| error)?)[:= ]{1,2}([45]\d\d)\b/i.exec(
      text.slice(0, 2_000),
    );
  return match === null ? null : statusOf(match[1]);
}

function withoutAddresses(text: string): string {
  return text.replaceAll(/\bhttps?:\/\/[^\s"'<>)\]]{1,500}/gi, " ");
}

function mayHoldJson(text: string): boolean {
  return text.includes("{") || isEventStream(text) || isMarkup(text);
}

function parsed(text: string): unknown {
  if (!/^[{["]/.test(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The JSON object that a sentence carries, also as Python prints it: "Error code: 400 - {'error': {…}}". */
function jsonInside(text: string): unknown[] {
  const start = text.indexOf("{");
  const end = text.lastIndexOf("}");
  if (start < 0 || end <= start) return [];
  const slice = text.slice(start, end + 1);
  const strict = parsed(slice);
  if (strict !== undefined) return [strict];
  if (!/['"](?:error|message|code|type|detail)['"]\s*:/.test(slice)) return [];
  const loose = looseJson(slice, null);
  return loose.outcome === "read" ? [loose.value] : [];
}

export function isEventStream(text: string): boolean {
  return /^(?:data|event|id|retry)?:/m.test(text.slice(0, 200)) && /^data:/m.test(text);
}

/** The JSON payloads of an SSE body; what is no JSON ("[DONE]", a cut last line) is left out. */
export function eventsOf(text: string): unknown[] {
  const events: unknown[] = [];
  for (const line of text.split(/\r?\n/)) {
    if (!line.startsWith("data:")) continue;
    const event = parsed(line.slice(5).trim());
    if (event !== undefined) events.push(event);
  }
  return events;
}

export function isMarkup(text: string): boolean {
  return /^\s*(?:<!doctype|<html|<\?xml|<error>|<head|<body|<!--)/i.test(text.slice(0, 500));
}

/** A proxy's error page says what it means in its title and headings, an object store's XML in Code and Message. */
function layerOfMarkup(text: string): Layer {
  const code = /<Code>([^<]{1,200})<\/Code>/i.exec(text)?.[1] ?? "";
  const message =
    /<Message>([^<]{1,2000})<\/Message>/i.exec(text)?.[1] ??
    [/<title>([^<]{1,500})<\/title>/i, /<h1>([^<]{1,500})<\/h1>/i]
      .map((pattern) => pattern.exec(text)?.[1]?.trim() ?? "")
      .filter((found, index, all) => found !== "" && all.indexOf(found) === index)
      .join(" - ");
  return { ...layerOfText(message, code), status: null };
}
