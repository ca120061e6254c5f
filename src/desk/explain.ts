/** One answer for support: what happened to a report, why, what it cost, what the buyer paid, and what may be done now. */
import type { FleetEvent } from "../domain/events.ts";
import { totalSpend } from "../domain/failure.ts";
import type { EpochMs, MicroUsd, ReportId } from "../domain/ids.ts";
import type { Section } from "../domain/report.ts";
import type { Action, ReviewCase } from "../domain/review.ts";
import { statusSentence } from "../domain/status-sentence.ts";
import { readAudit, type AuditRow } from "../store/audit.ts";
import { listCases } from "../store/cases.ts";
import type { Store } from "../store/redis.ts";
import { readHistory } from "../store/read-events.ts";
import { readSections, type StoredReport } from "../store/reports.ts";
import { requireReport } from "./material.ts";
import { possibleActions, possibleOnReport } from "./possible-actions.ts";

export interface Explanation {
  stored: StoredReport;
  sections: Section[];
  sentence: string;
  timeline: { at: EpochMs; what: string }[];
  cases: (ReviewCase & { actions: Action[] })[];
  decisions: AuditRow[];
  spend: { totalMicros: MicroUsd; wastedMicros: MicroUsd; unknownMicros: MicroUsd; inFlightMicros: MicroUsd };
  credits: { price: number; charged: number; state: StoredReport["report"]["hold"] };
  /** Decisions about the report as a whole; those about a section stand with its case. */
  actions: Action[];
}

/** The stream itself keeps a bounded number; a person reads the last ones. */
const TIMELINE_ROWS = 200;
const CASES = 100;

export async function explainReport(store: Store, id: ReportId): Promise<Explanation> {
  const stored = await requireReport(store, id);
  const { report } = stored;
  const sections = await readSections(store, id, stored.plan ?? []);
  const [seconds] = await store.redis.time();
  const events = await readHistory(store, id);
  const cases = await listCases(store, { report: id, limit: CASES });
  return {
    stored,
    sections,
    sentence: statusSentence(report, sections, Number(seconds) * 1_000),
    timeline: events
      .flatMap(({ at, event }) => {
        const what = tell(event);
        return what === null ? [] : [{ at, what }];
      })
      .slice(-TIMELINE_ROWS),
    cases: cases.map((one) => ({
      ...one,
      actions: possibleActions(one, report.status, sections),
    })),
    decisions: (await readAudit(store, CASES, { report: id })).toReversed(),
    spend: {
      totalMicros: totalSpend(report.spend),
      wastedMicros: report.spend.wasted,
      unknownMicros: report.spend.unknown,
      inFlightMicros: stored.inFlightMicros,
    },
    credits: { price: report.credits, charged: report.charged, state: report.hold },
    actions: possibleOnReport(report.status, sections),
  };
}

/** Null for what a timeline is better without: a call that went well is told by its answer. */
function tell(event: FleetEvent): string | null {
  switch (event.event) {
    case "report.submitted":
      return `ordered: ${event.type} version ${event.typeVersion}`;
    case "report.status":
      return `${event.status}: ${event.because}`;
    case "report.planned":
      return `planned, ${event.sections} sections`;
    case "run.started":
      return `run ${event.run}, round ${event.round}: ${event.sections.join(", ")}`;
    case "section.status":
      return `${event.section} ${event.status}${event.because === undefined ? "" : `: ${event.because}`}`;
    case "call.answered":
      return `${event.section}/${event.call} answered by ${event.model}${event.duplicate ? ", a duplicate" : ""}`;
    case "call.unanswered":
      return `${event.section}/${event.call} not answered: ${event.failure.message}`;
    case "call.rejected":
      return `${event.section}/${event.call} take ${event.take} rejected: ${event.failure.message}`;
    case "call.reused":
      return `${event.section}/${event.call} reused`;
    case "credits":
      return `${event.credits} credits: ${event.verb}`;
    case "review.opened":
      return `review case ${event.case} opened`;
    case "review.resolved":
      return `${event.action} by ${event.by}`;
    case "repaired":
      return `repaired ${event.what}: ${event.because}`;
    default:
      return null;
  }
}
