/** Gives up reports that nobody decided about within their review deadline: they fail and the credits go back. */
import type { ReportId } from "../domain/ids.ts";
import { endReport } from "../store/end-report.ts";
import type { Store } from "../store/redis.ts";
import { readReport } from "../store/reports.ts";
import { leavingNewer } from "../store/version.ts";
import { dropReviewDeadline, listOverdueReviews } from "../store/wakeups.ts";

export async function endOverdueReviews(store: Store): Promise<void> {
  for (const id of await listOverdueReviews(store)) await leavingNewer(() => giveUp(store, id));
}

async function giveUp(store: Store, id: ReportId): Promise<void> {
  const stored = await readReport(store, id);
  // Whoever decides in this very moment wins: the end below names the run it has seen.
  if (stored?.report.status === "needs_review") {
    const because = "nobody decided about it within its review deadline";
    const ended = await endReport(store, stored.report, { status: "failed", because, by: "deadline" });
    if (ended.outcome === "superseded") return;
  }
  await dropReviewDeadline(store, id);
}
