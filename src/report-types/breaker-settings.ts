import { DEFAULT_BREAKER, type BreakerSettings } from "../domain/breaker.ts";

/** What a type says of its breaker, over the defaults. */
export function breakerSettings(settings: Partial<BreakerSettings> | undefined): BreakerSettings {
  return { ...DEFAULT_BREAKER, ...settings };
}

const MAX_THRESHOLD = 100;
const MAX_PROBES = 20;
const SHORTEST_WINDOW_MS = 1_000;
const LONGEST_WINDOW_MS = 24 * 3_600_000;

export function breakerProblems(settings: unknown): string[] {
  if (settings === undefined) return [];
  if (typeof settings !== "object" || settings === null)
    return ["breaker must be an object such as { threshold: 3 }."];
  const unknown = Object.keys(settings).filter((name) => !(name in DEFAULT_BREAKER));
  const problems = unknown.map((name) => `breaker.${name} is no setting of a breaker.`);
  const { threshold, windowMs, probes, successResets, carefulStart, whenOpen } = breakerSettings(settings);
  for (const [name, value, least, most] of [
    ["threshold", threshold, 1, MAX_THRESHOLD],
    ["windowMs", windowMs, SHORTEST_WINDOW_MS, LONGEST_WINDOW_MS],
    ["probes", probes, 1, MAX_PROBES],
  ] as const) {
    if (!Number.isInteger(value) || value < least || value > most)
      problems.push(`breaker.${name} is ${value}; it must be a whole number from ${least} to ${most}.`);
  }
  for (const [name, value] of [
    ["successResets", successResets],
    ["carefulStart", carefulStart],
  ] as const) {
    if (typeof value !== "boolean") problems.push(`breaker.${name} must be true or false.`);
  }
  if (!["refuse", "hold"].includes(whenOpen))
    problems.push(`breaker.whenOpen is "${whenOpen}"; it must be "refuse" or "hold".`);
  return problems;
}
