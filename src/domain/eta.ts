/**
 * When a report will be ready, as a range, from how long its sections took before.
 *
 * Sections that do not read each other are written at the same time, so the longest chain of what is left decides. Fewer
 * than ten earlier runs of any section left, and nothing is said: a wrong time is worse than none.
 */
import type { PlannedSection, SectionStatus } from "./report.ts";

export interface Eta {
  lowMs: number;
  highMs: number;
}

export const FEWEST_RUNS = 10;

/** `runsMs` are the last runs of a section, in any order. */
export function estimateReady(
  sections: readonly (Pick<PlannedSection, "key" | "after"> & { status: SectionStatus })[],
  runsMs: Readonly<Record<string, readonly number[]>>,
): Eta | null {
  const left = sections.filter(({ status }) => status === "pending" || status === "running");
  if (
    left.length === 0 ||
    sections.some(({ status }) => status === "waiting_for_retry" || status === "needs_review")
  )
    return null;
  if (left.some(({ key }) => (runsMs[key]?.length ?? 0) < FEWEST_RUNS)) return null;
  return {
    lowMs: longestChain(left, (key) => quantile(runsMs[key] ?? [], 0.5)),
    highMs: longestChain(left, (key) => quantile(runsMs[key] ?? [], 0.9)),
  };
}

function longestChain(
  left: readonly Pick<PlannedSection, "key" | "after">[],
  lengthOf: (key: string) => number,
): number {
  const known = new Map<string, number>();
  const byKey = new Map(left.map((section) => [section.key, section]));
  function until(key: string): number {
    const section = byKey.get(key);
    // Written already, so nobody waits for it.
    if (section === undefined) return 0;
    const seen = known.get(key);
    if (seen !== undefined) return seen;
    const chain = Math.max(0, ...section.after.map(until)) + lengthOf(key);
    known.set(key, chain);
    return chain;
  }
  return Math.max(...left.map(({ key }) => until(key)));
}

/** Nearest rank: a value that was really measured. */
function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? 0;
}
