/** How long a webhook waits after each failed attempt: three days in all, which outlasts a weekend. */
const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

const WAITS_MS = [
  5 * SECOND_MS,
  5 * MINUTE_MS,
  30 * MINUTE_MS,
  2 * HOUR_MS,
  5 * HOUR_MS,
  10 * HOUR_MS,
  14 * HOUR_MS,
  20 * HOUR_MS,
  24 * HOUR_MS,
] as const;

/** Receivers that went down together are not to be woken together. */
const JITTER = 0.1;

/** Null after the last attempt. `failedBefore` counts the attempts before the one that has just failed. */
export function retryAfterMs(failedBefore: number, timeScale: number, random: number): number | null {
  const wait = WAITS_MS[failedBefore];
  if (wait === undefined) return null;
  return Math.max(1, Math.round(wait * timeScale * (1 + JITTER * random)));
}
