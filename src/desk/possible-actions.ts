/** What may be done now: by the kind of failure and the report's status, and by what there is of the report. */
import type { ReportStatus, Section } from "../domain/report.ts";
import { actionsFor, mayAct, type Action, type ReviewCase } from "../domain/review.ts";
import { noPartBecause } from "./deliver-partial.ts";

/** About a case, the cheapest first; none once it is decided. */
export function possibleActions(
  found: Pick<ReviewCase, "section" | "failure" | "state">,
  status: ReportStatus,
  sections: readonly Section[],
): Action[] {
  if (found.state.status !== "open") return [];
  return actionsFor(found, status).filter((action) => isThere(action, sections));
}

const OF_REPORT: readonly Action[] = ["correct_source", "deliver_partial", "reject", "cancel"];

/** About the report itself, whatever case it has. */
export function possibleOnReport(status: ReportStatus, sections: readonly Section[]): Action[] {
  return OF_REPORT.filter((action) => mayAct(action, status).allowed && isThere(action, sections));
}

function isThere(action: Action, sections: readonly Section[]): boolean {
  return action !== "deliver_partial" || noPartBecause(sections) === null;
}
