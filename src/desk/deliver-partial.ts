/** Delivers what is there: the sections still missing are skipped, and the buyer pays for the part. */
import { randomUUID } from "node:crypto";
import { FleetError } from "../domain/fleet-error.ts";
import type { ReportId } from "../domain/ids.ts";
import { PLANNING, type Section } from "../domain/report.ts";
import { mayAct } from "../domain/review.ts";
import type { Counter } from "../producer/submit-report.ts";
import { readSections } from "../store/reports.ts";
import { decideSections } from "../store/resume.ts";
import { requireDone, ring, statusesFor, type Ruled, type Ruling } from "./decide-case.ts";
import { requireReport } from "./material.ts";

export async function deliverPartial(desk: Counter, id: ReportId, ruling: Ruling): Promise<Ruled> {
  const { report, plan, decisions } = await requireReport(desk.store, id);
  const sections = await readSections(desk.store, id, plan ?? []);
  // The script answers a repeat of this very operation before it looks at anything else.
  if (mayAct("deliver_partial", report.status).allowed) requirePart(sections);
  const missing = missingOf(sections);
  const decided = await decideSections(
    desk.store,
    {
      report,
      action: "deliver_partial",
      by: ruling.by,
      why: ruling.why,
      caseId: null,
      version: ruling.version ?? decisions,
      operation: ruling.operation ?? randomUUID(),
      statuses: statusesFor("deliver_partial"),
      sections: missing,
      effect: { to: "skipped" },
    },
    desk.durations.wakeAfterMs,
  );
  requireDone(decided, "deliver_partial", `Report ${id}`);
  await ring(desk, report, decided.run);
  return { report: id, action: "deliver_partial", run: decided.run };
}

/** Keys of the sections that a delivery now would leave out. */
export function missingOf(sections: readonly Section[]): string[] {
  return sections
    .filter(({ status }) => status !== "completed" && status !== "skipped")
    .map(({ key }) => key);
}

/** There must be something to deliver, and something missing. */
export function requirePart(sections: readonly Section[]): void {
  const because = noPartBecause(sections);
  if (because !== null) throw new FleetError("not_allowed", because);
}

/** Null where a part can be delivered. */
export function noPartBecause(sections: readonly Section[]): string | null {
  const done = sections.filter(({ status }) => status === "completed");
  if (!done.some(({ template }) => template !== PLANNING.template))
    return "No section of it is finished, so there is nothing to deliver.";
  return missingOf(sections).length === 0
    ? "All its sections are written; what failed is putting them together. Mend that and resume it."
    : null;
}
