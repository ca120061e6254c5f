/** Why a report is where it is, in one line for an operator; a buyer reads another one (`statusSentence`). */
import type { FailureKind } from "../domain/failure.ts";
import { formatWait, type EpochMs } from "../domain/ids.ts";
import type { Report, Section } from "../domain/report.ts";
import { doneOf } from "../domain/status-sentence.ts";

export interface Reason {
  /** The failure's kind, where a failure is the reason. */
  kind: FailureKind | null;
  text: string;
}

export function reasonOf(report: Report, sections: readonly Section[], now: EpochMs): Reason {
  switch (report.status) {
    case "pending":
      return words("not begun");
    case "running": {
      const parked = sections.filter(({ status }) => status === "needs_review").length;
      if (sections.length === 0) return words("being planned");
      const done = `${doneOf(sections)} of ${sections.length} sections done`;
      return words(parked === 0 ? done : `${done}, ${parked} parked`);
    }
    case "waiting_for_retry": {
      if (report.postponed === true) return words(`the type ${report.type} is stopped`);
      const next = sections
        .filter((section) => section.status === "waiting_for_retry")
        .toSorted((a, b) => a.retryAt - b.retryAt)[0];
      if (next === undefined) return words("waits to try again");
      const when = next.retryAt > now ? `again in ${formatWait(next.retryAt - now)}` : "again now";
      return {
        kind: next.failure?.kind ?? null,
        text: `${next.key} ${when}: ${next.failure?.message ?? next.because}`,
      };
    }
    case "needs_review":
      return { kind: report.failure.kind, text: report.failure.message };
    case "completed":
      return words(report.delivery === "full" ? "" : "delivered in part");
    case "failed":
    case "cancelled":
      return words(report.because);
  }
}

function words(text: string): Reason {
  return { kind: null, text };
}
