/** What a delivery is worth. Planning is work like any other, and no part of what is sold. */
import { PLANNING, type PlannedSection } from "../domain/report.ts";
import type { ReportType } from "../report-types/define-report.ts";
import { partialCredits } from "../report-types/partial-credits.ts";
import { isDynamic } from "../report-types/plan.ts";

export function worthOf(
  type: ReportType,
  price: number,
  delivered: readonly PlannedSection[],
  all: readonly PlannedSection[],
): number {
  const sold = (one: PlannedSection) => !isPlanning(type, one);
  return partialCredits(type, price, delivered.filter(sold), all.filter(sold));
}

export function isPlanning(type: ReportType, section: PlannedSection): boolean {
  return section.key === PLANNING.key && section.template === PLANNING.template && isDynamic(type);
}
