/**
 * Tells once that a report will be later than it is wanted: as soon as earlier runs of its sections say so, and at the
 * latest when the time has passed.
 *
 * Each report is looked at again after half of the time that is left, so one that is wanted in a week costs a few looks.
 */
import { estimateReady } from "../domain/eta.ts";
import type { ReportId } from "../domain/ids.ts";
import { isFinished } from "../domain/report.ts";
import { dropDeadline, listDueDeadlines, lookAgainAtDeadline, missDeadline } from "../store/deadlines.ts";
import { redisNow, type Store } from "../store/redis.ts";
import { readReport, readSections } from "../store/reports.ts";
import { leavingNewer } from "../store/version.ts";
import { readDurations } from "../store/read-sections.ts";

const SHORTEST_PAUSE_MS = 500;

export async function followDeadlines(store: Store): Promise<void> {
  for (const id of await listDueDeadlines(store)) await leavingNewer(() => follow(store, id));
}

async function follow(store: Store, id: ReportId): Promise<void> {
  const stored = await readReport(store, id);
  const deliverBy = stored?.report.deliverBy ?? null;
  if (stored === null || deliverBy === null || isFinished(stored.report.status)) {
    await dropDeadline(store, id);
    return;
  }
  const sections = await readSections(store, id, stored.plan ?? []);
  const runs = await readDurations(
    store,
    stored.report.type,
    sections.map(({ key }) => key),
  );
  const now = await redisNow(store);
  // Half of all reports take longer than this, so who hears "later" can rely on it.
  const soonestMs = estimateReady(sections, runs)?.lowMs ?? 0;
  const leftMs = deliverBy - now - soonestMs;
  if (leftMs <= 0)
    await missDeadline(store, stored.report, deliverBy, soonestMs > 0 ? now + soonestMs : null);
  else {
    const afterMs = Math.min(leftMs, Math.max(SHORTEST_PAUSE_MS, leftMs / 2));
    await lookAgainAtDeadline(store, id, afterMs, stored.plan !== null);
  }
}
