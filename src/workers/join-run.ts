/**
 * A decision about a section of a run that is under way: what may be written by it joins that run as a further round at
 * once, instead of waiting until the last section of the round before has ended.
 *
 * The parent job may be moving just then. While it is active it may have looked before the decision was there, so whoever
 * asks comes back; the outbox keeps the report until somebody found the parent at rest. Two who join at once do it once,
 * since a round begins once, and a section that is queued twice is written by the first claim.
 */
import type { ReportId } from "../domain/ids.ts";
import { readySections } from "../report-types/plan.ts";
import { startRound } from "../store/report-transitions.ts";
import { readReport, readSections } from "../store/reports.ts";
import type { Queues } from "../store/queues.ts";
import type { Store } from "../store/redis.ts";

export interface Joining {
  store: Store;
  queues: Queues;
  durations: { wakeAfterMs: number };
}

export async function joinRun(
  { store, queues, durations }: Joining,
  id: ReportId,
): Promise<"joined" | "nothing" | "later"> {
  const stored = await readReport(store, id);
  if (stored === null || stored.plan === null || stored.halted !== null) return "nothing";
  const { report, plan } = stored;
  const underWay = report.status === "running" || report.status === "waiting_for_retry";
  // Before its first round the parent job has everything still to look at.
  if (!underWay || report.round === 0) return "nothing";
  const queued = await queues.queuedSections(id, report.run);
  if (queued === "parent_active") return "later";
  if (queued === "parent_looks") return "nothing";
  const statuses = (await readSections(store, id, plan)).map(({ key, status }) => [key, status] as const);
  const joining = readySections(plan, Object.fromEntries(statuses)).filter((key) => !queued.has(key));
  if (joining.length === 0) return "nothing";
  const round = report.round + 1;
  if ((await startRound(store, report, round, joining, durations.wakeAfterMs)) !== "started")
    return "nothing";
  const added = await queues.joinSections(
    report.type,
    report.turn,
    joining.map((section) => ({ report: id, section, run: report.run, round })),
  );
  return added ? "joined" : "later";
}
