/** What an orchestrator logs: every event, and a report's whole story in one line when it ends or stops for a person. */
import type { Logger } from "pino";
import { reportStory, tellStory } from "../desk/report-story.ts";
import type { ReportId } from "../domain/ids.ts";
import { isFinished } from "../domain/report.ts";
import { logEvent } from "../observability/log-events.ts";
import { followEvents, type Following } from "../store/follow-events.ts";
import type { Store } from "../store/redis.ts";

/** Null where nothing of it would be logged; then nobody need read it. */
export function logFleet(log: Logger, redisUrl: string, store: Store): Following | null {
  if (!log.isLevelEnabled("warn")) return null;
  const where = { redisUrl, fleet: store.fleet, stream: "fleet", from: "$" } as const;
  return followEvents(where, ({ event }) => {
    logEvent(log, event);
    if (!log.isLevelEnabled("info")) return;
    if (event.event === "report.status" && (isFinished(event.status) || event.status === "needs_review"))
      void tell(log, store, event.report);
  });
}

/** A story that cannot be read is left out: the events were logged, and `explain` has everything. */
async function tell(log: Logger, store: Store, report: ReportId): Promise<void> {
  try {
    const story = await reportStory(store, report);
    if (story !== null) log.info(story, tellStory(story));
  } catch {
    log.debug({ report }, "the report's story could not be read");
  }
}
