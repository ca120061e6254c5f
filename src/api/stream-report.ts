/**
 * A report's events as server-sent events. The id of each is that of its entry in the report's stream, so a reader that
 * lost its connection names the last one it has and misses nothing. `snapshot` and `progress` are not stored and have no
 * id: they say what is true now, and are sent again where they are needed.
 */
import type { ApiKey } from "../domain/api-key.ts";
import { isFinished } from "../domain/report.ts";
import { reportRow, reportView, readSnapshot, snapshotOf } from "../producer/report-view.ts";
import { mayBeUsed } from "../store/api-keys.ts";
import { followEvents } from "../store/follow-events.ts";
import { readEvents, type TimedEvent } from "../store/read-events.ts";
import type { StoredReport } from "../store/reports.ts";
import { fieldsFor, viewFor } from "./for-buyer.ts";
import type { Answer, ApiDesk, EventLine } from "./route.ts";

const EVENT_ID = /^\d{1,16}-\d{1,10}$/;
/** After these a reader's picture of the whole has changed. */
const CHANGES = ["report.status", "section.status", "report.planned", "credits"];

export async function streamReport(
  desk: ApiDesk,
  caller: ApiKey,
  stored: StoredReport,
  lastEventId: string | null,
): Promise<Answer<unknown>> {
  const { id } = stored.report;
  const from = lastEventId !== null && EVENT_ID.test(lastEventId) ? lastEventId : "0";
  // 204 is how a browser's EventSource is told to stop asking.
  if (
    from !== "0" &&
    isFinished(stored.report.status) &&
    (await readEvents(desk.store, id, from)).length === 0
  )
    return { status: 204 };
  const first = viewFor(caller, reportView(await snapshotOf(desk.store, stored)));
  return {
    status: 200,
    stream(line) {
      line.send(text("snapshot", first, null));
      follow(desk, caller, stored, from, line);
    },
  };
}

function follow(
  desk: ApiDesk,
  caller: ApiKey,
  { report }: StoredReport,
  from: string,
  line: EventLine,
): void {
  const { redisUrl, store } = desk;
  const { id } = report;
  let { status } = report;
  // Told one after the other, so that progress never overtakes what it follows from.
  let telling = Promise.resolve();
  const following = followEvents({ redisUrl, fleet: store.fleet, stream: id, from }, (timed) => {
    telling = telling.then(() => tell(timed)).catch(() => line.end());
  });
  line.onClose(() => void following.stop());

  async function tell(timed: TimedEvent): Promise<void> {
    // A stream outlasts the request that opened it, and must not outlast its key.
    if (!(await mayBeUsed(store, caller.id))) return line.end();
    const { event } = timed.event;
    line.send(text(event, { ...fieldsFor(caller, timed.event), at: timed.at }, timed.id));
    if (CHANGES.includes(event)) {
      const row = reportRow(await readSnapshot(store, id));
      status = row.status;
      line.send(text("progress", row, null));
    }
    // The status was written with its event, so whatever came before it is in the stream by now.
    if (!isFinished(status) || (await readEvents(store, id, timed.id)).length > 0) return;
    line.send(text("end", { status }, null));
    line.end();
  }
}

function text(event: string, value: unknown, id: string | null): string {
  return `${id === null ? "" : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(value)}\n\n`;
}
