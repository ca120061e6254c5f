/**
 * Credits: what a buyer has, what is held for an order, what was charged.
 *
 *     requested ─▶ reserved ─▶ committed      with delivery, in the same script
 *                     └──────▶ reversed       otherwise, exactly once
 *
 * available + held + committed = deposits, after every script. Holds live as long as the report does.
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
  status: HoldStatus;
  at: EpochMs;
}

export interface Balance {
  account: string;
  available: number;
  held: number;
  committed: number;
  deposits: number;
}

export type LedgerVerb = "grant" | "reserve" | "commit" | "reverse" | "refund";

/** One append-only row; ids count up by one per account, and folding all rows gives the balance. */
export interface LedgerEntry {
  id: number;
  verb: LedgerVerb;
  credits: number;
  /** The hold for reserve, commit and reverse; the caller's reference for a grant. */
  reference: string;
  report: ReportId | null;
  at: EpochMs;
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
