/** What happened, read back: as it goes on, as a whole, or a page at a time. Each stream keeps a bounded number of events. */
import type { FleetEvent } from "../domain/events.ts";
import type { EpochMs, ReportId } from "../domain/ids.ts";
import type { Store } from "./redis.ts";
import { fieldsOf } from "./script.ts";

export interface TimedEvent {
  /** Stream id; sorts by time. */
  id: string;
  at: EpochMs;
  event: FleetEvent;
}

const AT_ONCE = 500;

/**
 * Events after `afterId`, oldest first, some hundreds at once; waits up to `blockMs` for the first. Needs a connection of
 * its own to wait.
 */
export async function readEvents(
  store: Store,
  id: ReportId | "fleet",
  afterId: string,
  blockMs = 0,
): Promise<TimedEvent[]> {
  const stream = id === "fleet" ? store.keys.fleetEvents : store.keys.events(id);
  const reply =
    blockMs > 0
      ? await store.redis.xread("COUNT", AT_ONCE, "BLOCK", blockMs, "STREAMS", stream, afterId)
      : await store.redis.xread("COUNT", AT_ONCE, "STREAMS", stream, afterId);
  const entries = reply?.[0]?.[1] ?? [];
  return entries.map(timed);
}

/** Everything that is kept of a report, oldest first. */
export async function readHistory({ redis, keys }: Store, id: ReportId): Promise<TimedEvent[]> {
  return (await redis.xrange(keys.events(id), "-", "+")).map(timed);
}

export interface EventPage {
  /** The newest first. */
  events: TimedEvent[];
  hasOlder: boolean;
  hasNewer: boolean;
}

/** So many events of a report before one of them, after one of them, or its newest. */
export async function readEventPage(
  { redis, keys }: Store,
  id: ReportId,
  from: { before?: string | undefined; after?: string | undefined },
  limit: number,
): Promise<EventPage> {
  const stream = keys.events(id);
  if (from.after !== undefined) {
    const entries = await redis.xrange(stream, `(${from.after}`, "+", "COUNT", limit + 1);
    // A page that is not full would be the newest one in part.
    if (entries.length > limit)
      return { events: entries.slice(0, limit).toReversed().map(timed), hasOlder: true, hasNewer: true };
  }
  const before = from.after === undefined ? from.before : undefined;
  const end = before === undefined ? "+" : `(${before}`;
  const entries = await redis.xrevrange(stream, end, "-", "COUNT", limit + 1);
  return {
    events: entries.slice(0, limit).map(timed),
    hasOlder: entries.length > limit,
    hasNewer: before !== undefined,
  };
}

/** The fleet's newest events, the newest first. */
export async function readNewestEvents({ redis, keys }: Store, limit: number): Promise<TimedEvent[]> {
  return (await redis.xrevrange(keys.fleetEvents, "+", "-", "COUNT", limit)).map(timed);
}

function timed([id, flat]: [string, string[]]): TimedEvent {
  return { id, at: Number.parseInt(id, 10), event: JSON.parse(fieldsOf(flat)["e"] ?? "{}") as FleetEvent };
}
