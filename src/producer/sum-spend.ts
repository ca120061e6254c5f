/** Sums the lines of the books by whatever one wants to know the spend by. */
import type { SpendLine } from "../store/books.ts";

export const SPEND_DIMENSIONS = ["day", "type", "model", "outcome", "kind", "account"] as const;
export type SpendDimension = (typeof SPEND_DIMENSIONS)[number];

export interface SpendSum {
  key: string;
  calls: number;
  micros: number;
  wastedMicros: number;
  unknownMicros: number;
}

/** Days in their order, everything else by its cost. */
export function sumSpend(by: SpendDimension, lines: readonly SpendLine[]): SpendSum[] {
  const sums = new Map<string, SpendSum>();
  for (const line of lines) {
    const key = line[by];
    const sum = sums.get(key) ?? { key, calls: 0, micros: 0, wastedMicros: 0, unknownMicros: 0 };
    sum.calls += line.calls;
    sum.micros += line.micros;
    if (line.outcome === "wasted") sum.wastedMicros += line.micros;
    if (line.outcome === "unknown") sum.unknownMicros += line.micros;
    sums.set(key, sum);
  }
  return [...sums.values()].sort((a, b) =>
    by === "day" ? a.key.localeCompare(b.key) : b.micros - a.micros || a.key.localeCompare(b.key),
  );
}
