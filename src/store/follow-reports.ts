/** Follows the event streams of some reports on one connection: a batch of hundreds needs no hundreds of links. */
import type { FleetEvent } from "../domain/events.ts";
import type { ReportId } from "../domain/ids.ts";
import { readPackedEvents } from "./pack-report.ts";
import type { Store } from "./redis.ts";
import type { TimedEvent } from "./read-events.ts";
import { fieldsOf } from "./script.ts";

/** An event out of a report's own stream, so that it is known whose it is. */
export interface ReportEvent extends TimedEvent {
  report: ReportId;
}

const MOST_EVENTS_AT_ONCE = 500;

/** The stream id after which each report's next event is read; a fresh one begins with its first event. */
export type Places = Map<ReportId, string>;

export function fromTheBeginning(ids: readonly ReportId[]): Places {
  return new Map(ids.map((id) => [id, "0"]));
}

/**
 * The next events, in the order they happened, and moves the places on. Waits up to `blockMs` for the first one; the
 * connection must be one that nobody else uses meanwhile.
 */
export async function nextEvents(store: Store, places: Places, blockMs: number): Promise<ReportEvent[]> {
  const ids = [...places.keys()];
  if (ids.length === 0) return [];
  const earlier = await packedEvents(store, places);
  if (earlier.length > 0) return earlier;
  const streams = [...ids.map((id) => store.keys.events(id)), ...ids.map((id) => places.get(id) ?? "0")];
  const reply =
    blockMs > 0
      ? await store.redis.xread("COUNT", MOST_EVENTS_AT_ONCE, "BLOCK", blockMs, "STREAMS", ...streams)
      : await store.redis.xread("COUNT", MOST_EVENTS_AT_ONCE, "STREAMS", ...streams);
  const idOf = new Map(ids.map((id) => [store.keys.events(id), id]));
  const events: ReportEvent[] = [];
  for (const [stream, entries] of reply ?? []) {
    const report = idOf.get(stream);
    if (report === undefined) continue;
    for (const [entryId, flat] of entries) {
      places.set(report, entryId);
      events.push({
        id: entryId,
        report,
        at: Number.parseInt(entryId, 10),
        event: JSON.parse(fieldsOf(flat)["e"] ?? "{}") as FleetEvent,
      });
    }
  }
  // Each stream is in order by itself; stable sorting keeps it so where times are equal.
  return events.sort((a, b) => a.at - b.at);
}

/** Of reports that rest and are looked at for the first time. */
async function packedEvents(store: Store, places: Places): Promise<ReportEvent[]> {
  const events: ReportEvent[] = [];
  for (const [report, place] of places) {
    if (place !== "0") continue;
    for (const [id, flat] of await readPackedEvents(store, report)) {
      places.set(report, id);
      events.push({
        id,
        report,
        at: Number.parseInt(id, 10),
        event: JSON.parse(flat[1] ?? "{}") as FleetEvent,
      });
    }
  }
  return events.sort((a, b) => a.at - b.at);
}
