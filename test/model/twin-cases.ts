/** Review cases of the twin: opened with what is parked, closed by one decision or with the end of the report. */
import { groupOf } from "../../src/domain/review.ts";
import { A_FAILURE } from "../support/store-for-tests.ts";
import { heldFor } from "./twin-money.ts";
import { spentBy, spentIn, TYPE, type Report, type Twin } from "./twin.ts";

export function openCase(
  twin: Twin,
  report: Report,
  section: string | null,
  what: { halts?: boolean; callKey?: string | null } = {},
): void {
  const fence = section === null ? 0 : report.sections.get(section)?.fence;
  const id = section === null ? `${report.id}.r${report.run}` : `${report.id}.${section}.${fence}`;
  if (report.cases.some((one) => one.id === id)) return;
  report.cases.push({
    id,
    section,
    group: groupOf(TYPE, section, A_FAILURE.fingerprint),
    open: true,
    version: 1,
    action: "",
    operation: "",
    halts: what.halts === true,
    run: report.run,
    callKey: what.callKey ?? null,
    spent: spentIn(report),
    wasted: spentBy(report)["wasted"] ?? 0,
    credits: heldFor(twin, report),
  });
}

/** The report stops: its cases say what it has spent by now. */
export function recountCases(report: Report): void {
  for (const one of report.cases.filter(({ open }) => open)) {
    one.spent = spentIn(report);
    one.wasted = spentBy(report)["wasted"] ?? 0;
  }
}

export function closeCases(
  report: Report,
  which: (one: Report["cases"][number]) => boolean,
  action: string,
  operation: string,
): void {
  for (const one of report.cases) {
    if (!one.open || !which(one)) continue;
    Object.assign(one, { open: false, version: one.version + 1, action, operation });
  }
}
