/**
 * The two ways in which a person ends a report without a delivery. Either way the credits go back once, no new call
 * starts, calls in flight are aborted at the next heartbeat, and an answer that comes late changes the books only.
 */
import { FleetError } from "../domain/fleet-error.ts";
import type { ReportId } from "../domain/ids.ts";
import type { ReportStatus } from "../domain/report.ts";
import { mayAct } from "../domain/review.ts";
import { endReport } from "../store/end-report.ts";
import type { Store } from "../store/redis.ts";
import { requireReport } from "./material.ts";
import type { Ruling } from "./decide-case.ts";

export interface EndedByPerson {
  report: ReportId;
  status: ReportStatus;
  /** True where it had ended this way before; nothing was changed. */
  repeated: boolean;
}

/** At any time before delivery. */
export function cancelReport(
  desk: { store: Store },
  id: ReportId,
  ruling: Pick<Ruling, "by" | "why">,
): Promise<EndedByPerson> {
  return end(desk.store, id, "cancel", "cancelled", ruling);
}

/** A parked report is given up: it is not going to be written. */
export function rejectReport(
  desk: { store: Store },
  id: ReportId,
  ruling: Pick<Ruling, "by" | "why">,
): Promise<EndedByPerson> {
  return end(desk.store, id, "reject", "failed", ruling);
}

/** A report that is worked on moves between the reading and the ending; it does not move this often. */
const MOST_TRIES = 20;

async function end(
  store: Store,
  id: ReportId,
  action: "cancel" | "reject",
  status: "cancelled" | "failed",
  ruling: Pick<Ruling, "by" | "why">,
): Promise<EndedByPerson> {
  for (let nth = 1; nth <= MOST_TRIES; nth++) {
    const { report } = await requireReport(store, id);
    if (report.status === status) return { report: id, status, repeated: true };
    const permission = mayAct(action, report.status);
    if (!permission.allowed) throw new FleetError("not_allowed", permission.because);
    const ended = await endReport(store, report, { status, because: ruling.why, by: ruling.by, action });
    if (ended.outcome === "ended") return { report: id, status: ended.status, repeated: false };
    if (ended.outcome === "gone")
      throw new FleetError("not_found", `Report ${id} is not in the store any more.`);
  }
  throw new FleetError("in_progress", `Report ${id} keeps moving; try again in a moment.`);
}
