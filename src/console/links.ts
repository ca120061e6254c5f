/** Where things are shown. Ids may hold anything a key may, so all of them are encoded here. */
import type { ReportId } from "../domain/ids.ts";
import { REPORTS_QUEUE, reportJobId } from "../store/queues.ts";

export function reportLink(id: string, tab = ""): string {
  return `/console/reports/${encodeURIComponent(id)}${tab === "" ? "" : `/${tab}`}`;
}

/** At Bull Board. */
export function queueLink(name: string): string {
  return `/admin/queues/queue/${encodeURIComponent(name)}`;
}

/** At Bull Board; of a run that is long over, its job is gone. */
export function jobLink(report: ReportId, run: number): string {
  return `${queueLink(REPORTS_QUEUE)}/${encodeURIComponent(reportJobId(report, run))}`;
}

export function caseLink(id: string): string {
  return `/console/review/${encodeURIComponent(id)}`;
}

export function groupLink(group: string): string {
  return `/console/groups/${encodeURIComponent(group)}`;
}
