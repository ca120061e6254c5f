/** Gives up reports that nobody decided about within their review deadline: they fail and the credits go back. */
import { endReport } from "../store/end-report.ts";
import type { Store } from "../store/redis.ts";
import { readReport } from "../store/reports.ts";
import { dropReviewDeadline, listOverdueReviews } from "../store/wakeups.ts";

export async function endOverdueReviews(store: Store): Promise<void> {
  for (const id of await listOverdueReviews(store)) {
    const stored = await readReport(store, id);
    // Whoever decides in this very moment wins: the end below names the run it has seen.
    if (stored?.report.status === "needs_review") {
      const because = "nobody decided about it within its review deadline";
      const ended = await endReport(store, stored.report, { status: "failed", because, by: "deadline" });
      if (ended.outcome === "superseded") continue;
    }
    await dropReviewDeadline(store, id);
  }
}
