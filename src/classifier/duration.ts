/** Waits as providers write them: "644ms", "9m38.016s", "1h2m", "33 seconds", "1 hour and 5 minutes", "20". */

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Longer than this is no wait but a mistake, mostly a timestamp in the place of a duration. */
const LONGEST_BELIEVED_MS = 31 * 86_400_000;

const PART =
  /\s*(?:,|and)?\s*(\d{1,15}(?:\.\d{1,12})?)\s*(milliseconds?|msecs?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)(?![a-z])/iy;

/** Milliseconds of the duration that starts at `from`, or null where none does. */
export function durationAt(text: string, from: number): number | null {
  let total = 0;
  let found = false;
  PART.lastIndex = from;
  for (let parts = 0; parts < 5; parts += 1) {
    const match = PART.exec(text);
    if (match === null) break;
    total += Number(match[1]) * (UNIT_MS[unitOf(match[2] ?? "")] ?? 0);
    found = true;
  }
  return found ? believed(total) : null;
}

/** A whole field: a duration with units, or bare seconds. */
export function durationOf(field: string): number | null {
  const text = field.trim();
  if (/^\d{1,15}(?:\.\d{1,12})?$/.test(text)) return believed(Number(text) * 1_000);
  return durationAt(text, 0);
}

/** Rounded up, because a call that comes one millisecond early is refused again. */
export function believed(ms: number): number | null {
  return Number.isFinite(ms) && ms >= 0 && ms <= LONGEST_BELIEVED_MS ? Math.ceil(ms) : null;
}

function unitOf(word: string): string {
  const lower = word.toLowerCase();
  return lower.startsWith("ms") || lower.startsWith("milli") ? "ms" : lower.slice(0, 1);
}
