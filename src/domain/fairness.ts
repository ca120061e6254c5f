/**
 * Whose report is written next, so that a small account does not wait behind a large one.
 *
 * The queue serves low numbers first. A report's turn is how many reports of its account were outstanding when it was
 * ordered, so the first report of a late account stands beside the first report of everybody else, however many of one
 * account wait. It is fixed at the order and kept by all its jobs, retries and later runs.
 *
 * The order's own priority weighs what is counted instead of going first: an account whose reports are all urgent would
 * else starve those whose reports are not. What this leaves open: the end of a long line waits for as long as small
 * accounts keep coming with more than the fleet can write.
 */
export const PRIORITIES = ["high", "normal", "low"] as const;
export type Priority = (typeof PRIORITIES)[number];

export const DEFAULT_PRIORITY: Priority = "normal";

/** A high report stands where a quarter as many would have put it, a low one where four times as many would have. */
export const WEIGHT_OF = { high: 1, normal: 4, low: 16 } as const satisfies Record<Priority, number>;

/** BullMQ takes priorities up to 2,097,151; beyond this many the order among an account's own reports is lost. */
export const MOST_COUNTED = 100_000;

/** 1 or more: a job without a priority would go before all that have one. Pure; admit does the same arithmetic. */
export function turnOf(outstanding: number, priority: Priority): number {
  return Math.min(Math.max(1, outstanding), MOST_COUNTED) * WEIGHT_OF[priority];
}

/** The turns of an account's first report, and of the first few of its urgent ones. */
export const FIRST_TURNS: readonly number[] = Array.from({ length: WEIGHT_OF.normal }, (_, n) => n + 1);

/** Whether a section of this turn may begin on a worker whose places are all taken. */
export function isFirstInLine(turn: number): boolean {
  return FIRST_TURNS.includes(turn);
}

/** How many places a full worker lends to sections that are first in line: a tenth of its own; none where it has one. */
export function placesLent(concurrency: number): number {
  return concurrency === 1 ? 0 : Math.ceil(concurrency / 10);
}

/** How many reports one account may have in the fleet; null is no limit. */
export interface AccountLimits {
  /** Ordered and not begun; more are refused. */
  maxWaiting: number | null;
  /** Being written; more wait, and cost nothing while they do. */
  maxRunning: number | null;
}

export const NO_ACCOUNT_LIMITS: AccountLimits = { maxWaiting: null, maxRunning: null };
