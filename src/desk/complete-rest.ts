/** Has the parts written that a delivery left out, for the rest of the price. */
import { FleetError } from "../domain/fleet-error.ts";
import type { ReportId } from "../domain/ids.ts";
import type { Decision } from "../domain/review.ts";
import type { Counter } from "../producer/submit-report.ts";
import { completeReport } from "../store/complete-report.ts";
import { requireCreditworthy, ring } from "./decide-case.ts";
import { requireReport } from "./material.ts";

export interface RestBegun {
  report: ReportId;
  run: number;
  /** Held for the parts that were missing. */
  credits: number;
}

export async function completeRest(desk: Counter, id: ReportId, decision: Decision): Promise<RestBegun> {
  const { report, plan } = await requireReport(desk.store, id);
  if (report.status !== "completed" || report.delivery !== "partial") {
    throw new FleetError(
      "not_allowed",
      `${id} is ${report.status === "completed" ? "delivered in full" : report.status}; only a report delivered in part can be completed.`,
    );
  }
  await requireCreditworthy(desk, report.account);
  const sections = (plan ?? []).map(({ key }) => key);
  const begun = await completeReport(desk.store, report, sections, decision, desk.durations.wakeAfterMs);
  switch (begun.outcome) {
    case "begun":
      await ring(desk, report, begun.run);
      return { report: id, run: begun.run, credits: begun.credits };
    case "insufficient_credits":
      throw new FleetError("insufficient_credits", begun.because);
    case "texts_gone":
      throw new FleetError("not_deliverable", begun.because);
    case "not_partial":
      throw new FleetError("stale_version", `${id} moved just now; look at it and decide again.`);
  }
}
