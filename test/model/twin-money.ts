/** Credits and spend of the twin: the arithmetic is the domain's, the rest is what the promises say. */
import { applyEntry, type LedgerVerb } from "../../src/domain/credits.ts";
import { accountOf, ESTIMATE, found, holdId, type Ask, type Report, type Take, type Twin } from "./twin.ts";

export function moveCredits(
  twin: Twin,
  account: string,
  verb: LedgerVerb,
  credits: number,
  reference: string,
): void {
  const of = accountOf(twin, account);
  Object.assign(of, applyEntry({ account, ...of }, { verb, credits }));
  of.rows.push(`${verb} ${credits} ${reference}`);
}

/** The report's newest hold, for as much as is reserved. */
export function reserve(twin: Twin, report: Report, credits: number): void {
  const { id, account } = report;
  moveCredits(twin, account, "reserve", credits, holdId(report));
  twin.holds.set(holdId(report), { report: id, account, credits, committed: 0, status: "reserved" });
}

export function endHold(twin: Twin, report: Report, commit: number, delivered: boolean): void {
  const id = holdId(report);
  const hold = found(twin.holds.get(id));
  hold.status = delivered ? "committed" : "reversed";
  hold.committed = commit;
  if (delivered) moveCredits(twin, report.account, "commit", commit, id);
  if (!delivered || hold.credits > commit)
    moveCredits(twin, report.account, "reverse", hold.credits - commit, id);
}

/** Credits that are held for it now. */
export function heldFor(twin: Twin, report: Report): number {
  const hold = twin.holds.get(holdId(report));
  return hold?.status === "reserved" ? hold.credits : 0;
}

export function book(ask: Ask, outcome: string, micros: number, kind: string): void {
  ask.book = { outcome, micros, kind };
}

/** The report ends: every request gets its last outcome. `delivered` names the sections in the document, null where there is none. */
export function closeBooks(report: Report, delivered: ReadonlySet<string> | null): void {
  for (const ask of report.asks.values()) {
    const { outcome, micros, kind } = ask.book;
    if (outcome === "in_flight") {
      book(ask, "unknown", micros, "transient");
    } else if (outcome === "pending" || kind === "unused" || kind === "ended" || kind === "late") {
      const take = report.takes.get(ask.callKey);
      const isInIt = delivered?.has(ask.section) === true && isUsed(report, ask) && isAccepted(take, ask);
      if (isInIt) book(ask, ask.take > 1 ? "repaired" : "useful", micros, "");
      else book(ask, "wasted", micros, delivered === null ? "ended" : "unused");
    }
  }
}

function isUsed(report: Report, ask: Ask): boolean {
  const used = report.sections.get(ask.section)?.used ?? null;
  return used === null || used.includes(ask.callKey);
}

function isAccepted(take: Take | undefined, ask: Ask): boolean {
  return take?.n === ask.take && take.state === "accepted";
}

/** What counts against today's caps: estimates of what is on its way or unknown, and what was billed. */
export function spentToday(twin: Twin): number {
  let sum = 0;
  for (const report of twin.reports) for (const ask of report.asks.values()) sum += amountOf(ask);
  return sum;
}

function amountOf(ask: Ask): number {
  switch (ask.state) {
    case "open":
    case "unknown":
      return ESTIMATE;
    case "answered":
    case "duplicate":
      return ask.answerMicros;
    case "not_billed":
      return 0;
  }
}
