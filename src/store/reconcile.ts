/**
 * Whether the books of credits agree with themselves: every account's rows folded again and compared with its balance,
 * every hold compared with its rows and with its report. It changes nothing; a drift is a bug, and evidence is worth
 * more than a number made to fit.
 *
 * The fleet works on meanwhile. A balance is read together with the id of its newest row, and only rows up to it are
 * folded; what looks wrong with a hold is looked at once more, with the rows that came since, before it is called wrong.
 */
import { applyEntry, balanceProblem, type Balance, type Hold, type LedgerEntry } from "../domain/credits.ts";
import { isFinished, type ReportStatus } from "../domain/report.ts";
import { holdFrom, listAccounts, readBalanceAt, readLedgerAfter } from "./credits.ts";
import type { Store } from "./redis.ts";
import { run, savingScript } from "./script.ts";

export interface Reconciliation {
  accounts: number;
  entries: number;
  holds: number;
  /** One sentence each; empty where everything agrees. */
  problems: string[];
}

/** What the rows say of one hold. */
interface HoldRows {
  reserved: number;
  committed: number | null;
  reversed: number | null;
}

const PAGE = 500;

export async function reconcile(store: Store): Promise<Reconciliation> {
  const sum: Reconciliation = { accounts: 0, entries: 0, holds: 0, problems: [] };
  for (const account of await listAccounts(store)) {
    const part = await reconcileAccount(store, account);
    sum.accounts += 1;
    sum.entries += part.entries;
    sum.holds += part.holds;
    sum.problems.push(...part.problems);
  }
  return sum;
}

async function reconcileAccount(store: Store, account: string): Promise<Reconciliation> {
  const { balance, entries } = await readBalanceAt(store, account);
  const problems: string[] = [];
  const own = balanceProblem(balance);
  if (own !== null) problems.push(own);

  let folded: Balance = { account, available: 0, held: 0, committed: 0, deposits: 0 };
  const holds = new Map<string, HoldRows>();
  const references = new Set<string>();
  const perReport = new Map<string, { committed: number; refunded: number }>();
  let last = 0;
  for await (const entry of rowsUpTo(store, account, entries)) {
    if (entry.id !== last + 1)
      problems.push(`Account ${account}: row ${last + 1} is missing before row ${entry.id}.`);
    last = entry.id;
    folded = applyEntry(folded, entry);
    const below = balanceBelowZero(folded);
    if (below !== null) problems.push(`Account ${account}: after row ${entry.id} ${below} is below zero.`);
    noteEntry(entry, { account, holds, references, perReport, problems });
  }
  if (last !== entries)
    problems.push(`Account ${account}: ${entries} rows were written and the last one there is ${last}.`);
  for (const part of ["available", "held", "committed", "deposits"] as const) {
    if (folded[part] !== balance[part])
      problems.push(
        `Account ${account}: its rows add up to ${folded[part]} ${part}, its balance says ${balance[part]}.`,
      );
  }
  problems.push(...(await holdProblems(store, account, entries, holds)));
  for (const [report, sums] of perReport) {
    if (sums.refunded > sums.committed)
      problems.push(
        `Account ${account}: ${sums.refunded} credits were refunded for ${report}, which was charged ${sums.committed}.`,
      );
  }
  return { accounts: 1, entries, holds: holds.size, problems };
}

async function* rowsUpTo(store: Store, account: string, newest: number): AsyncGenerator<LedgerEntry> {
  let after = 0;
  while (after < newest) {
    const page = await readLedgerAfter(store, account, after, PAGE);
    if (page.length === 0) return;
    for (const entry of page) {
      if (entry.id > newest) return;
      after = entry.id;
      yield entry;
    }
  }
}

function balanceBelowZero(balance: Balance): string | null {
  return (["available", "held", "committed"] as const).find((part) => balance[part] < 0) ?? null;
}

interface Noted {
  account: string;
  holds: Map<string, HoldRows>;
  references: Set<string>;
  perReport: Map<string, { committed: number; refunded: number }>;
  problems: string[];
}

function noteEntry(entry: LedgerEntry, noted: Noted): void {
  const { account, holds, problems } = noted;
  const row = `Account ${account}, row ${entry.id}`;
  if (entry.verb === "grant" || entry.verb === "refund") {
    const once = `${entry.verb} ${entry.reference}`;
    if (noted.references.has(once))
      problems.push(`${row}: the ${entry.verb} with reference "${entry.reference}" is there twice.`);
    noted.references.add(once);
  }
  if (entry.report !== null && (entry.verb === "commit" || entry.verb === "refund")) {
    const sums = noted.perReport.get(entry.report) ?? { committed: 0, refunded: 0 };
    sums[entry.verb === "commit" ? "committed" : "refunded"] += entry.credits;
    noted.perReport.set(entry.report, sums);
  }
  if (entry.verb === "reserve") {
    if (holds.has(entry.reference)) problems.push(`${row}: hold ${entry.reference} is reserved twice.`);
    holds.set(entry.reference, { reserved: entry.credits, committed: null, reversed: null });
    return;
  }
  if (entry.verb !== "commit" && entry.verb !== "reverse") return;
  const hold = holds.get(entry.reference);
  const part = entry.verb === "commit" ? "committed" : "reversed";
  if (hold === undefined) problems.push(`${row}: hold ${entry.reference} is ended and was never reserved.`);
  else if (hold[part] !== null) problems.push(`${row}: hold ${entry.reference} is ${part} twice.`);
  else hold[part] = entry.credits;
}

/** A hold, and its report as it was at that moment. */
interface HoldFacts {
  hold: Hold | null;
  report: { status: ReportStatus; holdId: string; hold: string } | null;
}

async function holdProblems(
  store: Store,
  account: string,
  entries: number,
  holds: ReadonlyMap<string, HoldRows>,
): Promise<string[]> {
  const problems: string[] = [];
  let since: LedgerEntry[] | null = null;
  for (const [id, rows] of holds) {
    const facts = await readHoldFacts(store, id);
    let problem = holdProblem(id, rows, facts);
    if (problem !== null) {
      // It may have ended after the balance was read.
      since ??= await readLedgerAfter(store, account, entries, PAGE * 20);
      problem = holdProblem(id, withLater(id, rows, since), facts);
    }
    if (problem !== null) problems.push(problem);
  }
  return problems;
}

function withLater(id: string, rows: HoldRows, since: readonly LedgerEntry[]): HoldRows {
  const later = { ...rows };
  for (const { verb, credits, reference } of since) {
    if (reference !== id) continue;
    if (verb === "commit") later.committed = credits;
    if (verb === "reverse") later.reversed = credits;
  }
  return later;
}

function holdProblem(id: string, rows: HoldRows, { hold, report }: HoldFacts): string | null {
  if (hold === null) return `Hold ${id} is in the rows and has no record.`;
  const ended = rows.committed !== null ? "committed" : rows.reversed !== null ? "reversed" : "reserved";
  if (hold.status !== ended) return `Hold ${id} is ${hold.status}; its rows say ${ended}.`;
  if (hold.credits !== rows.reserved)
    return `Hold ${id} holds ${hold.credits} credits; its row reserved ${rows.reserved}.`;
  const returned = (rows.committed ?? 0) + (rows.reversed ?? 0);
  if (ended !== "reserved" && returned !== rows.reserved)
    return `Hold ${id} reserved ${rows.reserved} credits; ${returned} of them were committed or reversed.`;
  // Retention may have removed an old report; an open hold is never old enough for that.
  if (report === null)
    return ended === "reserved" ? `Hold ${id} is reserved for a report that is gone.` : null;
  if (report.holdId !== id)
    return ended === "reserved" ? `Hold ${id} is reserved and not its report's.` : null;
  if (ended === "reserved" && isFinished(report.status))
    return `Hold ${id} is reserved, and its report is ${report.status}.`;
  if (ended === "committed" && report.status !== "completed")
    return `Hold ${id} is committed, and its report is ${report.status}, not delivered.`;
  if (ended === "reversed" && !isFinished(report.status))
    return `Hold ${id} is reversed, and its report is still ${report.status}.`;
  return null;
}

const HOLD_FACTS = savingScript(`
-- KEYS hold report
return {redis.call('HGETALL', KEYS[1]), redis.call('HMGET', KEYS[2], 'status', 'holdId', 'hold')}
`);

async function readHoldFacts(store: Store, id: string): Promise<HoldFacts> {
  const { redis, keys } = store;
  const report = id.slice(0, id.lastIndexOf(".h")) as Parameters<typeof keys.report>[0];
  const [flat, [status, holdId, hold]] = await run<[string[], (string | null)[]]>(
    redis,
    HOLD_FACTS,
    [keys.hold(id), keys.report(report)],
    [],
  );
  const fields = Object.fromEntries(
    Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i], flat[2 * i + 1]] as [string, string]),
  );
  return {
    hold: holdFrom(id, fields),
    report:
      typeof status === "string"
        ? { status: status as ReportStatus, holdId: holdId ?? "", hold: hold ?? "" }
        : null,
  };
}
