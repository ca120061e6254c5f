/** A report's whole story in one line, told when it ends or stops for a person: what was done, lost, paid and charged. */
import { totalSpend, type Attempts, type FailureKind } from "../domain/failure.ts";
import { formatUsd, formatWait, type MicroUsd, type ReportId } from "../domain/ids.ts";
import type { Report, Section } from "../domain/report.ts";
import { doneOf } from "../domain/status-sentence.ts";
import { readReceipt, type SpendReceipt } from "../store/receipt.ts";
import type { Store } from "../store/redis.ts";
import { readReport, readSections } from "../store/reports.ts";

/** Ids, words of our own and numbers; nothing that a person, a report type or a model wrote. */
export interface ReportStory {
  report: ReportId;
  type: string;
  typeVersion: number;
  status: Report["status"];
  delivery: "full" | "partial" | null;
  failure: { kind: FailureKind; code: string; fingerprint: string } | null;
  runs: number;
  sections: { done: number; total: number };
  calls: { asked: number; answered: number; reused: number };
  attempts: Attempts;
  tookMs: number;
  spentMicros: MicroUsd;
  wastedMicros: MicroUsd;
  unknownMicros: MicroUsd;
  credits: number;
  charged: number;
  hold: Report["hold"];
}

export async function reportStory(store: Store, id: ReportId): Promise<ReportStory | null> {
  const stored = await readReport(store, id);
  if (stored === null) return null;
  const [sections, receipt] = await Promise.all([
    readSections(store, id, stored.plan ?? []),
    readReceipt(store, id),
  ]);
  return storyOf(stored.report, sections, receipt);
}

function storyOf(report: Report, sections: readonly Section[], receipt: SpendReceipt): ReportStory {
  const { calls, reused } = receipt;
  return {
    report: report.id,
    type: report.type,
    typeVersion: report.typeVersion,
    status: report.status,
    delivery: report.status === "completed" ? report.delivery : null,
    failure: report.status === "needs_review" ? named(report.failure) : null,
    runs: report.run,
    sections: { done: doneOf(sections), total: sections.length },
    calls: {
      asked: calls.length,
      answered: calls.filter(({ elapsedMs }) => elapsedMs !== null).length,
      reused: reused.length,
    },
    attempts: sum(sections.map(({ attempts }) => attempts)),
    tookMs: report.updatedAt - report.createdAt,
    spentMicros: totalSpend(report.spend),
    wastedMicros: report.spend.wasted,
    unknownMicros: report.spend.unknown,
    credits: report.credits,
    charged: report.charged,
    hold: report.hold,
  };
}

/** For a person who greps for the id. */
export function tellStory(story: ReportStory): string {
  const { sections, calls, attempts } = story;
  const retried = attempts.transient + attempts.repair + attempts.crash;
  const lost = story.wastedMicros + story.unknownMicros;
  const parts = [
    `${endOf(story)} after ${formatWait(story.tookMs)}`,
    `${sections.done} of ${sections.total} sections`,
    `${calls.asked} calls${calls.reused > 0 ? `, ${calls.reused} reused` : ""}${retried > 0 ? `, ${retried} retries` : ""}`,
    `${formatUsd(story.spentMicros)} spent${lost > 0 ? `, ${formatUsd(lost)} of it wasted or unknown` : ""}`,
    `${story.charged} of ${story.credits} credits charged${story.hold === "reserved" ? ", the rest held" : ""}`,
  ];
  return `${story.report} ${parts.join("; ")}`;
}

function endOf({ status, delivery, failure }: ReportStory): string {
  if (failure !== null) return `needs a person (${failure.kind}: ${failure.code})`;
  if (delivery !== null) return delivery === "full" ? "delivered" : "delivered in part";
  return status;
}

function named({ kind, code, fingerprint }: Extract<Report, { status: "needs_review" }>["failure"]) {
  return { kind, code, fingerprint };
}

function sum(all: readonly Attempts[]): Attempts {
  const total: Attempts = { transient: 0, repair: 0, crash: 0 };
  for (const attempts of all) {
    total.transient += attempts.transient;
    total.repair += attempts.repair;
    total.crash += attempts.crash;
  }
  return total;
}
