/**
 * The fleet as a plain object: what the records in Redis must say, kept without Redis, without scripts and without time.
 *
 * It is written from the promises and the comments above the scripts, not from the scripts: who may write, what is paid,
 * where each credit and each micro-USD stands, what waits for a person. The breaker is the domain's own.
 */
import { NEW_BREAKER, observe, type Breaker, type BreakerSettings } from "../../src/domain/breaker.ts";
import type { HoldStatus } from "../../src/domain/credits.ts";
import type { Attempts } from "../../src/domain/failure.ts";
import { reportIdFrom, type ReportId } from "../../src/domain/ids.ts";
import type { Delivery, ReportStatus, SectionStatus } from "../../src/domain/report.ts";

export const TYPE = "topic";
export const SECTIONS = ["a", "b"] as const;
export const PROCESSES = ["p0", "p1", "p2"] as const;
export const ACCOUNTS = ["acme", "zeta"] as const;
/** What every request is estimated to cost. */
export const ESTIMATE = 1_000;
/** What does not come to pass within a sequence. */
export const FAR_MS = 1_000_000_000;

export const BREAKER: BreakerSettings & { leaseMs: number } = {
  threshold: 2,
  windowMs: FAR_MS,
  successResets: true,
  probes: 1,
  whenOpen: "refuse",
  carefulStart: false,
  leaseMs: FAR_MS,
};

export interface Account {
  available: number;
  held: number;
  committed: number;
  deposits: number;
  /** `<verb> <credits> <reference>`, oldest first. */
  rows: string[];
  grants: Map<string, number>;
  refunds: Map<string, { credits: number; report: ReportId }>;
}

export interface Section {
  status: SectionStatus;
  fence: number;
  claim: string;
  process: string;
  /** Under which run and version it was claimed last; null before. */
  run: number | null;
  version: number | null;
  attempts: Attempts;
  /** Its cooldown is not over, nor will it be within the sequence. */
  cooling: boolean;
  output: string | null;
  /** Keys of the calls it was written from; null where nobody said. */
  used: string[] | null;
}

export type AskState = "open" | "answered" | "duplicate" | "unknown" | "not_billed";

/** One request that may have left for a provider. */
export interface Ask {
  id: string;
  section: string;
  callKey: string;
  take: number;
  state: AskState;
  /** What the provider answers it with, whenever it does. */
  answerMicros: number;
  book: { outcome: string; micros: number; kind: string };
}

/** The current take under a call key. */
export interface Take {
  n: number;
  state: "open" | "accepted" | "rejected";
  micros: number;
}

export interface Case {
  id: string;
  section: string | null;
  group: string;
  open: boolean;
  version: number;
  action: string;
  operation: string;
  halts: boolean;
  run: number;
  callKey: string | null;
  spent: number;
  wasted: number;
  credits: number;
}

/** What somebody may have read of a report, and may still believe. */
export interface View {
  run: number;
  round: number;
  decisions: number;
  hold: number;
}

export interface Report extends View {
  id: ReportId;
  account: string;
  credits: number;
  budget: number;
  source: string;
  status: ReportStatus;
  committed: number;
  refunded: number;
  /** Also while the rest of a partial delivery is written. */
  delivery: Delivery | null;
  planned: boolean;
  document: boolean;
  halted: boolean;
  operation: string;
  sections: Map<string, Section>;
  takes: Map<string, Take>;
  /** Call key → the take that the last resume begins with. */
  marks: Map<string, number>;
  /** `<call key>#<take>` → the request whose answer counts, and the one on its way with its fence. */
  answers: Map<string, string>;
  onItsWay: Map<string, { ask: string; fence: number }>;
  asks: Map<string, Ask>;
  cases: Case[];
  wake: boolean;
  outbox: boolean;
  deadline: boolean;
  waiting: boolean;
  running: boolean;
  capped: boolean;
  views: View[];
}

export interface Hold {
  report: ReportId;
  account: string;
  credits: number;
  committed: number;
  status: HoldStatus;
}

/** The right to write, as a worker got it once; a zombie still has it. */
export interface HeldClaim {
  report: Report;
  section: string;
  fence: number;
  version: number;
  process: string;
  attempts: Attempts;
}

export interface Twin {
  accounts: Record<string, Account>;
  holds: Map<string, Hold>;
  reports: Report[];
  claims: HeldClaim[];
  /** `<account> <key>` → what was ordered under it. */
  keys: Map<string, { source: string; report: ReportId }>;
  /** `<account> <source>` → the newest order. */
  sameOrder: Map<string, Report>;
  alive: Set<string>;
  breaker: Breaker;
  /** Reports that the breaker's closing rings. */
  postponed: Set<ReportId>;
  spendingStopped: boolean;
}

export function newTwin(): Twin {
  return {
    accounts: Object.fromEntries(ACCOUNTS.map((name) => [name, newAccount()])),
    holds: new Map(),
    reports: [],
    claims: [],
    keys: new Map(),
    sameOrder: new Map(),
    alive: new Set(),
    breaker: observe(NEW_BREAKER, { saw: "version", version: 1 }, 0, BREAKER),
    postponed: new Set(),
    spendingStopped: false,
  };
}

function newAccount(): Account {
  const nothing = { available: 0, held: 0, committed: 0, deposits: 0 };
  return { ...nothing, rows: [], grants: new Map(), refunds: new Map() };
}

export function accountOf(twin: Twin, name: string): Account {
  return found(twin.accounts[name]);
}

/** Remembers what can be read of the reports now. */
export function remember(twin: Twin): void {
  for (const report of twin.reports) {
    const { run, round, decisions, hold } = report;
    const last = report.views.at(-1);
    if (last?.run !== run || last.round !== round || last.decisions !== decisions || last.hold !== hold)
      report.views.push({ run, round, decisions, hold });
  }
}

export function reportId(nth: number): ReportId {
  const bytes = new Uint8Array(16);
  bytes[15] = nth;
  return reportIdFrom(bytes);
}

export function holdId(report: Report, nth = report.hold): string {
  return `${report.id}.h${nth}`;
}

export function isOver(report: Report): boolean {
  return report.status === "completed" || report.status === "failed" || report.status === "cancelled";
}

/** What was spent so far by outcome, less what is only set aside. */
export function spentBy(report: Report): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const { book } of report.asks.values()) sums[book.outcome] = (sums[book.outcome] ?? 0) + book.micros;
  return sums;
}

export function spentIn(report: Report): number {
  return Object.entries(spentBy(report)).reduce(
    (sum, [outcome, micros]) => (outcome === "in_flight" || outcome === "not_billed" ? sum : sum + micros),
    0,
  );
}

/** The nth of what there is, counted round and round; undefined where there is nothing. */
export function pick<T>(of: readonly T[], nth: number): T | undefined {
  return of[nth % Math.max(1, of.length)];
}

export function found<T>(value: T | undefined | null): T {
  if (value === undefined || value === null) throw new Error("The twin has lost something it should know.");
  return value;
}
