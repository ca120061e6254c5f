/**
 * Evidence of a failed call, in the shape the classifier reads, with two things taken care of: the key never gets in,
 * not even where a provider echoes it, and no text is kept longer than anybody will read.
 */
import type { ErrorFacts, Evidence, HttpFacts } from "../domain/evidence.ts";
import type { Exchange } from "./exchange.ts";
import type { Route } from "./port.ts";

/** The classifier looks at the first and the last 20,000 characters. */
const MAX_TEXT_CHARS = 40_000;
/** Error chains of Node are three deep; a cyclic one must end. */
const MAX_CAUSES = 8;

/** Shorter values are words that may stand in any text, and no provider's key. */
const SHORTEST_SECRET = 6;

export function callEvidence(
  route: Pick<Route, "provider" | "baseUrl" | "apiKey" | "stream">,
  facts: Pick<Evidence, "surface" | "http" | "node" | "completion">,
): Evidence {
  const evidence: Evidence = {
    surface: facts.surface,
    stage: "generate",
    provider: route.provider ?? URL.parse(route.baseUrl)?.host ?? null,
    ...(route.stream ? { stream: true } : {}),
    http: facts.http ?? null,
    node: facts.node ?? null,
    completion: facts.completion ?? null,
  };
  return withoutKey(evidence, route.apiKey) as Evidence;
}

export function httpFacts(exchange: Exchange): HttpFacts {
  return { status: exchange.status ?? 0, headers: exchange.headers, body: bodyOf(exchange) };
}

/** Parsed JSON, or text, or null where there was none. Whatever is too long is kept as its two ends. */
function bodyOf(exchange: Exchange): unknown {
  const text = exchange.body.toString("utf8");
  if (text.length === 0) return null;
  if (text.length > MAX_TEXT_CHARS) return bothEnds(text);
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function bothEnds(text: string): string {
  const half = MAX_TEXT_CHARS / 2;
  return `${text.slice(0, half)}\n[… ${text.length - MAX_TEXT_CHARS} characters left out …]\n${text.slice(-half)}`;
}

export function errorFacts(error: unknown, depth = 0): ErrorFacts {
  if (!(error instanceof Error))
    return { name: null, code: null, message: bothEndsIfLong(String(error)), cause: null };
  const code = "code" in error ? error.code : null;
  // An AggregateError (all addresses of a name refused) says nothing itself; its first member does.
  const cause = error.cause ?? (error instanceof AggregateError ? (error.errors as unknown[])[0] : undefined);
  return {
    name: error.name,
    code: typeof code === "string" || typeof code === "number" ? code : null,
    message: bothEndsIfLong(error.message),
    cause: cause === undefined || cause === null || depth >= MAX_CAUSES ? null : errorFacts(cause, depth + 1),
  };
}

function bothEndsIfLong(text: string): string {
  return text.length > MAX_TEXT_CHARS ? bothEnds(text) : text;
}

function withoutKey(value: unknown, key: string): unknown {
  if (key.length < SHORTEST_SECRET) return value;
  if (typeof value === "string") return value.replaceAll(key, "[key]");
  if (Array.isArray(value)) return value.map((item) => withoutKey(item, key));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name.replaceAll(key, "[key]"), withoutKey(item, key)]),
  );
}
