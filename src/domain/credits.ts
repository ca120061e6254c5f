/**
 * Credits: what a buyer has, what is held for an order, what was charged.
 *
 *     requested ─▶ reserved ─▶ committed      with delivery, in the same script
 *                     └──────▶ reversed       otherwise, exactly once
 *
 * available + held + committed = deposits, after every script. Holds live as long as the report does. A partial
 * delivery ends its hold: what the delivered parts are worth is committed, the rest reversed. Completing the report
 * later is a new hold for the rest. A refund moves committed credits back to available, as an entry of its own.
 */
import type { EpochMs, ReportId } from "./ids.ts";

export const HOLD_STATUSES = ["requested", "reserved", "committed", "reversed"] as const;
export type HoldStatus = (typeof HOLD_STATUSES)[number];

export interface Hold {
  /** `<report>.h1`; a later hold of the same report counts up. */
  id: string;
  report: ReportId;
  account: string;
  credits: number;
  /** How many of them a delivery committed; the others went back. */
  committed: number;
  status: HoldStatus;
  /** When it was made, or ended. */
  at: EpochMs;
}

export interface Balance {
  account: string;
  available: number;
  held: number;
  committed: number;
  deposits: number;
}

export const LEDGER_VERBS = ["grant", "reserve", "commit", "reverse", "refund"] as const;
export type LedgerVerb = (typeof LEDGER_VERBS)[number];

/**
 * One append-only row; ids count up by one per account, and folding all rows gives the balance. Account and id together
 * are the idempotency key for whoever follows the ledger with a billing system of their own.
 */
export interface LedgerEntry {
  id: number;
  verb: LedgerVerb;
  credits: number;
  /** The hold for reserve, commit and reverse; the caller's reference for a grant and a refund. */
  reference: string;
  report: ReportId | null;
  at: EpochMs;
  /** Who decided it and why; null where the fleet did, by its rules. */
  by: string | null;
  why: string | null;
}

/** The books after one more row. Pure: the store's scripts do the same arithmetic, and a test compares the two. */
export function applyEntry(balance: Balance, entry: Pick<LedgerEntry, "verb" | "credits">): Balance {
  const { credits } = entry;
  switch (entry.verb) {
    case "grant":
      return { ...balance, available: balance.available + credits, deposits: balance.deposits + credits };
    case "reserve":
      return { ...balance, available: balance.available - credits, held: balance.held + credits };
    case "commit":
      return { ...balance, held: balance.held - credits, committed: balance.committed + credits };
    case "reverse":
      return { ...balance, available: balance.available + credits, held: balance.held - credits };
    case "refund":
      return { ...balance, available: balance.available + credits, committed: balance.committed - credits };
  }
}

/** What is wrong with a balance by itself; null where nothing is. */
export function balanceProblem(balance: Balance): string | null {
  const { account, available, held, committed, deposits } = balance;
  const sum = `available ${available} + held ${held} + committed ${committed}`;
  if (available < 0 || held < 0 || committed < 0) return `Account ${account} is below zero: ${sum}.`;
  if (available + held + committed !== deposits)
    return `Account ${account} does not add up: ${sum} is not deposits ${deposits}.`;
  return null;
}

/** What the parts of a report that are delivered are worth: their share of the weights, rounded down, for the buyer. */
export function weightedShare(
  price: number,
  delivered: readonly { weight: number }[],
  all: readonly { weight: number }[],
): number {
  // Everything is the whole price: a quotient of fractional weights might fall short of 1.
  if (delivered.length === all.length) return price;
  return Math.min(price, Math.floor((price * weightOf(delivered)) / weightOf(all)));
}

function weightOf(sections: readonly { weight: number }[]): number {
  return sections.reduce((total, { weight }) => total + weight, 0);
}

/** How often paid work may fail before a person looks at the account. */
export interface FailureLimits {
  /** One report in this run or a later one. A type may have a number of its own. */
  runsOfReport: number;
  /** Or so many reports of the account within the window. */
  failedReports: number;
  windowMs: number;
}

export const DEFAULT_FAILURE_LIMITS: FailureLimits = {
  runsOfReport: 3,
  failedReports: 5,
  windowMs: 24 * 3_600_000,
};

/** Why an account is under credit review, and since when. */
export interface CreditReview {
  because: string;
  at: EpochMs;
}

export function formatCredits(credits: number): string {
  return `${credits} ${credits === 1 ? "credit" : "credits"}`;
}
