import type { LedgerRow } from "../../src/llm/simulated/ledger.ts";

/** How often each question was billed, by its mark; the witness for "never paid again". */
export function billedByMark(rows: readonly LedgerRow[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const row of rows) {
    if (!row.billed) continue;
    const mark = row.marker ?? row.promptHash;
    counts[mark] = (counts[mark] ?? 0) + 1;
  }
  return counts;
}

/** Requests billed beyond the first for equal messages. */
export function duplicatesIn(rows: readonly LedgerRow[]): number {
  const seen = new Map<string, number>();
  for (const row of rows) if (row.billed) seen.set(row.promptHash, (seen.get(row.promptHash) ?? 0) + 1);
  return [...seen.values()].reduce((sum, count) => sum + count - 1, 0);
}

export function billedMicros(rows: readonly LedgerRow[]): number {
  return rows.reduce((sum, row) => sum + (row.billed ? row.micros : 0), 0);
}
