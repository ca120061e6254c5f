/**
 * The wait that a response named itself.
 *
 * Sources in the order of their trustworthiness: `retry-after-ms`; `retry-after` in seconds, or as a date against the
 * response's own `date` (never against our clock, which may be wrong); the reset of an exhausted bucket, on a 429 only,
 * because other answers carry buckets too; a field of the body; the sentence. A negative, endless or unreadable value
 * is skipped, not guessed.
 */
import { believed, durationAt, durationOf } from "./duration.ts";
import type { Reading } from "./reading.ts";

type Headers = Readonly<Record<string, string>>;

export function namedCooldownMs(reading: Pick<Reading, "headers" | "layers" | "status">): number | null {
  const upstream = reading.layers.map((layer) => lowerCased(layer.headers));
  for (const headers of [reading.headers, ...upstream]) {
    const named = retryAfterMs(headers);
    if (named !== null) return named;
  }
  if (reading.status === 429) {
    const reset = exhaustedBucketResetMs(reading.headers);
    if (reset !== null) return reset;
  }
  for (const layer of reading.layers) {
    const named = layer.namedWait === null ? null : durationOf(layer.namedWait);
    if (named !== null) return named;
  }
  for (const layer of reading.layers) {
    const named = waitInSentence(layer.text);
    if (named !== null) return named;
  }
  return null;
}

function retryAfterMs(headers: Headers): number | null {
  const milliseconds = headers["retry-after-ms"]?.trim() ?? "";
  if (/^\d{1,15}(?:\.\d{1,12})?$/.test(milliseconds)) {
    const named = believed(Number(milliseconds));
    if (named !== null) return named;
  }
  const value = headers["retry-after"]?.trim() ?? "";
  if (value === "") return null;
  return durationOf(value) ?? untilDate(value, headers["date"]);
}

function untilDate(value: string, date: string | undefined): number | null {
  // Only real dates: Date.parse also reads "-5" and "1" as years.
  if (!/[a-z]{3}|\d{4}-\d\d-\d\d/i.test(value)) return null;
  const until = Date.parse(value);
  const now = date === undefined ? Number.NaN : Date.parse(date);
  if (Number.isNaN(until) || Number.isNaN(now)) return null;
  return believed(Math.max(0, until - now));
}

/** Where several buckets are exhausted, the last one to fill decides. */
function exhaustedBucketResetMs(headers: Headers): number | null {
  let longest: number | null = null;
  for (const [name, value] of Object.entries(headers)) {
    const bucket =
      /^x-ratelimit-reset-([a-z0-9-]{1,60})$/.exec(name)?.[1] ??
      /^anthropic-ratelimit-([a-z0-9-]{1,60})-reset$/.exec(name)?.[1];
    if (bucket === undefined) continue;
    const remaining =
      headers[`x-ratelimit-remaining-${bucket}`] ?? headers[`anthropic-ratelimit-${bucket}-remaining`];
    if (remaining === undefined || remaining.trim() === "" || !(Number(remaining) <= 0)) continue;
    const reset = durationOf(value) ?? untilDate(value, headers["date"]);
    if (reset !== null && (longest === null || reset > longest)) longest = reset;
  }
  return longest;
}

/**
 * A sentence names its wait after words that mean waiting. "Limit 50 per 86400s" names the limit, "timed out after 60
 * seconds" the past; neither stands behind such a word.
 */
const WAIT_WORDS =
  /\b(?:(?:try|retry)(?:ing)?(?: your request)?(?: again)?(?: (?:in|after))|retry[-_ ]after["']?\s*[:=]?|wait(?: for)?|(?:resets?|available)(?: again)? in|again in)\s+(?:about |around |approximately |at least |another )?(?=\d)/g;
const RETRY_AFTER_SECONDS = /retry[-_ ]after["']?\s*[:=]\s*["']?(\d{1,9}(?:\.\d{1,9})?)(?![\w.])/;

export function waitInSentence(text: string): number | null {
  for (const match of text.matchAll(WAIT_WORDS)) {
    const named = durationAt(text, match.index + match[0].length);
    if (named !== null) return named;
  }
  const bare = RETRY_AFTER_SECONDS.exec(text)?.[1];
  return bare === undefined ? null : durationOf(bare);
}

function lowerCased(headers: Record<string, unknown> | null): Headers {
  if (headers === null) return {};
  const entries = Object.entries(headers).slice(0, 200);
  return Object.fromEntries(
    entries.map(([name, value]) => [name.toLowerCase(), String(value).slice(0, 500)]),
  );
}
