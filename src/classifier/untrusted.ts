/**
 * Evidence comes from providers, proxies, drivers and log lines: any field may be missing, of another type, huge or
 * cyclic. These are the only ways the classifier looks at it, so that no rule has to be careful by itself.
 */

export type JsonObject = Record<string, unknown>;

/** Errors say what they mean at the start, stack traces and wrapped bodies at the end; the middle is never needed. */
const END_CHARS = 20_000;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function boundedText(text: string): string {
  return text.length <= 2 * END_CHARS ? text : `${text.slice(0, END_CHARS)}\n${text.slice(-END_CHARS)}`;
}

/** Text of a field, bounded; numbers count as text because codes are sent both ways. */
export function textOf(value: unknown): string | null {
  if (typeof value === "string") return boundedText(value);
  if (typeof value === "number" && Number.isFinite(value)) return String(value);
  return null;
}

/** An HTTP status wherever one is written: 429, "429". */
export function statusOf(value: unknown): number | null {
  const number = typeof value === "string" && /^\d{3}$/.test(value) ? Number(value) : value;
  return typeof number === "number" && Number.isInteger(number) && number >= 100 && number <= 599
    ? number
    : null;
}
