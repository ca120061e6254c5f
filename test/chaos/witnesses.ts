/**
 * What the witnesses write down, each on its own and into a file of its own, one JSON line an observation: nothing here
 * comes from the fleet's own books, metrics or logs.
 */
import { appendFileSync, readFileSync } from "node:fs";
import type { LedgerRow } from "../../src/llm/simulated/ledger.ts";

export type ProviderRow = LedgerRow;

/** What the load client did, and what it was told. Times are its own clock, which is this machine's. */
export type ClientRow = { at: number } & (
  | {
      what: "ordered";
      order: number;
      account: string;
      type: string;
      status: number;
      report: string;
      repeated: boolean;
    }
  | { what: "refused"; order: number; account: string; status: number; code: string }
  /** Every try ended without an answer: nobody knows. */
  | { what: "unanswered"; order: number; account: string; tries: number }
  /** The same idempotency key with another body. */
  | { what: "reused_key"; order: number; status: number; report: string | null }
  | { what: "cancelled"; order: number; report: string; status: string }
  | { what: "decided"; report: string; case: string; action: string; by: string; why: string }
  | { what: "opened"; route: string; by: string }
  /** It was acknowledged, and nobody knows it any more. */
  | { what: "gone"; report: string }
  | { what: "review_ended"; account: string; by: string }
  | { what: "turned"; type: string; to: string; by: string; why: string }
  /** The row of a report as a list showed it; only where something has changed. */
  | { what: "saw"; report: string; status: string; sentence: string; credits: number; held: string }
  | { what: "read"; report: string; hash: string; bytes: number }
  | { what: "unreadable"; report: string; status: number; code: string }
  /** Canaries of other accounts, or secrets, in what a caller was answered. */
  | { what: "leak"; caller: string; path: string; found: string[] }
);

export interface WebhookRow {
  at: number;
  endpoint: string;
  id: string;
  signed: boolean;
  answered: number;
  type: string;
  data: Record<string, unknown>;
  /** Canaries and secrets in what was sent. */
  canaries: string[];
}

/** What the supervisor did to the fleet. */
export interface FaultRow {
  fault: string;
  /** What was hit: an incarnation (`w2.3`), `redis`, or a link. */
  target: string;
  from: number;
  to: number;
  detail: string;
  /** Requests the provider had from the target when it was hit. */
  inFlight: number;
  /** Whether it happened as it was meant. */
  hit: boolean;
  /** Facts that an invariant needs to know of it. */
  facts: Record<string, string | number>;
}

/** One look at what would wake each report that is not over, read in one transaction. */
export interface Sample {
  at: number;
  report: string;
  status: string;
  wakers: string[];
}

/** What a process of the fleet has of the machine's memory, or Redis of its own. */
export interface MemoryRow {
  at: number;
  /** An incarnation (`w2.3`), or `redis`. */
  of: string;
  bytes: number;
  /** How many there were by then. */
  reports: number;
}

export interface ProcessRow {
  at: number;
  process: string;
  happened: "started" | "ended";
  code: number | null;
  signal: string | null;
  /** The supervisor wanted it, or a fault that it knows of. */
  expected: boolean;
}

/** An order that kills whoever writes it, told by the process that dies of it. */
export interface KillingRow {
  at: number;
  order: number;
}

export function writeDown(file: string, row: object): void {
  appendFileSync(file, `${JSON.stringify(row)}\n`);
}

export function readWitness<Row>(file: string): Row[] {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    return [];
  }
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Row);
}

/** Every order's topic holds one, so that a text of one account is recognised wherever it turns up. */
export function canaryOf(account: string, order: number): string {
  return `canary-${account}-${order}`;
}

const CANARY = /canary-([a-z]+)-\d+/g;

/** The accounts whose texts these bytes hold. */
export function accountsIn(text: string): Set<string> {
  return new Set([...text.matchAll(CANARY)].map(([, account]) => account ?? ""));
}
