/**
 * Real money is limited before it is spent, not counted afterwards. A sample is ordered only if the most it may cost
 * still fits, and what the limit leaves over is shared out as room for retries and repairs. The shares become the
 * budgets of the reports, which no call may exceed, so their sum is what a live demo can cost.
 */
import type { MicroUsd } from "../../src/domain/ids.ts";

export interface Candidate {
  estimateMicros: MicroUsd;
  /** What its report type allows anyway. */
  budgetMicros: MicroUsd;
}

export interface Allowance<T> {
  ordered: { candidate: T; budgetMicros: MicroUsd }[];
  tooDear: T[];
  /** The most that everything ordered may cost together. */
  limitMicros: MicroUsd;
}

export function allowanceOf<T extends Candidate>(
  candidates: readonly T[],
  maxMicros: MicroUsd,
): Allowance<T> {
  const fitting: T[] = [];
  const tooDear: T[] = [];
  let left = maxMicros;
  for (const candidate of candidates) {
    // An estimate above the type's own budget would be stopped halfway; that is money for nothing.
    const fits = candidate.estimateMicros <= left && candidate.estimateMicros <= candidate.budgetMicros;
    if (fits) left -= candidate.estimateMicros;
    (fits ? fitting : tooDear).push(candidate);
  }
  const share = fitting.length === 0 ? 0 : Math.floor(left / fitting.length);
  const ordered = fitting.map((candidate) => ({
    candidate,
    budgetMicros: Math.min(candidate.budgetMicros, candidate.estimateMicros + share),
  }));
  return {
    ordered,
    tooDear,
    limitMicros: ordered.reduce((sum, { budgetMicros }) => sum + budgetMicros, 0),
  };
}
