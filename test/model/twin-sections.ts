/** Sections of the twin: how they move, and what a verdict about an answer does. */
import type { SectionStatus } from "../../src/domain/report.ts";
import { book } from "./twin-money.ts";
import { found, isOver, type HeldClaim, type Report, type Section } from "./twin.ts";

const NEW_SECTION = {
  status: "pending",
  fence: 0,
  claim: "",
  process: "",
  run: null,
  version: null,
  cooling: false,
  output: null,
  used: null,
} as const;

export function sectionOf(report: Report, key: string): Section {
  let section = report.sections.get(key);
  if (section === undefined) {
    section = { ...NEW_SECTION, attempts: { transient: 0, repair: 0, crash: 0 } };
    report.sections.set(key, section);
  }
  return section;
}

export function count(report: Report, status: SectionStatus): number {
  return [...report.sections.values()].filter((section) => section.status === status).length;
}

/** The report's own status follows: it runs while any section runs, and waits when all that is left waits. */
export function moveSection(report: Report, section: Section, to: SectionStatus): void {
  const from = section.status;
  section.status = to;
  if (from === to || (report.status !== "running" && report.status !== "waiting_for_retry")) return;
  const waits = count(report, "running") === 0 && count(report, "waiting_for_retry") > 0;
  report.status = waits ? "waiting_for_retry" : "running";
}

/** As if it had never been tried. */
export function startAfresh(section: Section): void {
  section.attempts = { transient: 0, repair: 0, crash: 0 };
  section.cooling = false;
}

/** Whether what this claim brings is state no more, only evidence and money. */
export function isOfOlderRun(report: Report, section: Section): boolean {
  return (section.run !== null && section.run !== report.run) || isOver(report);
}

export function letGo(report: Report, section: Section): void {
  section.claim = "";
  moveSection(report, section, "pending");
}

export interface Verdict {
  callKey: string;
  call: string;
  take: number;
  accepted: boolean;
}

/** What an answer was worth, told by whoever judged it. An accepted answer stays accepted. */
export function settle(report: Report, verdicts: readonly Verdict[]): void {
  for (const { callKey, take, accepted } of verdicts) {
    const current = report.takes.get(callKey);
    const verdict = accepted ? "accepted" : "rejected";
    if (
      current === undefined ||
      current.n !== take ||
      current.state === "accepted" ||
      current.state === verdict
    )
      continue;
    const before = current.state;
    current.state = verdict;
    const askId = report.answers.get(`${callKey}#${take}`);
    const ask = askId === undefined ? undefined : report.asks.get(askId);
    // Once a report has ended, its money has its final outcome.
    if (ask === undefined || isOver(report)) continue;
    if (verdict === "rejected") book(ask, "wasted", ask.book.micros, "contract");
    else if (before === "rejected") book(ask, "pending", ask.book.micros, "");
  }
}

/** What a worker has to judge for its section: answers that came and were not accepted yet. */
export function unjudged(report: Report, section: string): { callKey: string; call: string; take: number }[] {
  return [...report.takes].flatMap(([callKey, { n, state }]) => {
    const isOurs = callKey.startsWith(`${section}/`) && report.answers.has(`${callKey}#${n}`);
    return isOurs && state !== "accepted" ? [{ callKey, call: found(callKey.split("/")[1]), take: n }] : [];
  });
}

export function nameOf(claim: HeldClaim): string {
  return `${claim.report.id.slice(-1)}/${claim.section} by ${claim.process}, fence ${claim.fence}`;
}
