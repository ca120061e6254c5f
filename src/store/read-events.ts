/** What happened, read back: as it goes on, as a whole, or a page at a time. Each stream keeps a bounded number of events. */
import type { FleetEvent } from "../domain/events.ts";
import type { EpochMs, ReportId } from "../domain/ids.ts";
import { readPackedEvents } from "./pack-report.ts";
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
  return (await readNext(store, id, afterId, blockMs)).events;
}

/** As `readEvents`, with the id to go on after: of what a report was told that is gone, the fleet's stream knows only that. */
export async function readNext(
  store: Store,
  id: ReportId | "fleet",
  afterId: string,
  blockMs = 0,
): Promise<{ events: TimedEvent[]; last: string }> {
  if (id !== "fleet") {
    const earlier = (await readPackedEvents(store, id)).filter(([at]) => byTime(at, afterId) > 0);
    const last = earlier.at(-1)?.[0];
    if (last !== undefined) return { events: earlier.map(timed), last };
  }
  const stream = id === "fleet" ? store.keys.fleetEvents : store.keys.events(id);
  const reply =
    blockMs > 0
      ? await store.redis.xread("COUNT", AT_ONCE, "BLOCK", blockMs, "STREAMS", stream, afterId)
      : await store.redis.xread("COUNT", AT_ONCE, "STREAMS", stream, afterId);
  const entries = reply?.[0]?.[1] ?? [];
  return { events: await lookedUp(store, entries), last: entries.at(-1)?.[0] ?? afterId };
}

/** Everything that is kept of a report, oldest first. */
export async function readHistory(store: Store, id: ReportId): Promise<TimedEvent[]> {
  const { redis, keys } = store;
  const entries = [
    ...(await readPackedEvents(store, id)),
    ...(await redis.xrange(keys.events(id), "-", "+")),
  ];
  return entries.map(timed);
}

export interface EventPage {
  /** The newest first. */
  events: TimedEvent[];
  hasOlder: boolean;
  hasNewer: boolean;
}

/** So many events of a report before one of them, after one of them, or its newest. */
export async function readEventPage(
  store: Store,
  id: ReportId,
  from: { before?: string | undefined; after?: string | undefined },
  limit: number,
): Promise<EventPage> {
  const { redis, keys } = store;
  const stream = keys.events(id);
  const packed = await readPackedEvents(store, id);
  if (from.after !== undefined) {
    const { after } = from;
    const entries = [
      ...packed.filter(([at]) => byTime(at, after) > 0),
      ...(await redis.xrange(stream, `(${after}`, "+", "COUNT", limit + 1)),
    ];
    // A page that is not full would be the newest one in part.
    if (entries.length > limit)
      return { events: entries.slice(0, limit).toReversed().map(timed), hasOlder: true, hasNewer: true };
  }
  const before = from.after === undefined ? from.before : undefined;
  const end = before === undefined ? "+" : `(${before}`;
  const entries = [
    ...(await redis.xrevrange(stream, end, "-", "COUNT", limit + 1)),
    ...packed.filter(([at]) => before === undefined || byTime(at, before) < 0).toReversed(),
  ];
  return {
    events: entries.slice(0, limit).map(timed),
    hasOlder: entries.length > limit,
    hasNewer: before !== undefined,
  };
}

/** The fleet's newest events, the newest first. */
export async function readNewestEvents(store: Store, limit: number): Promise<TimedEvent[]> {
  return lookedUp(store, await store.redis.xrevrange(store.keys.fleetEvents, "+", "-", "COUNT", limit));
}

type Entry = [id: string, flat: string[]];

/** Entries of the fleet's stream name an event in the report's own; earlier releases wrote it out. In the same order. */
async function lookedUp(store: Store, entries: readonly Entry[]): Promise<TimedEvent[]> {
  const { redis, keys } = store;
  const places = new Map<ReportId, string[]>();
  for (const [, flat] of entries) {
    const { of, at } = fieldsOf(flat);
    if (of === undefined || at === undefined) continue;
    places.set(of as ReportId, [...(places.get(of as ReportId) ?? []), at]);
  }
  const told = new Map<string, string[]>();
  const pipeline = redis.pipeline();
  for (const [report, ats] of places) {
    const [low = "", high = ""] = [ats[0], ats.at(-1)].sort(byTime);
    pipeline.xrange(keys.events(report), low, high, "COUNT", ats.length);
  }
  const replies = places.size === 0 ? [] : ((await pipeline.exec()) ?? []);
  for (const [nth, report] of [...places.keys()].entries()) {
    const [error, rows] = replies[nth] as [Error | null, Entry[]];
    if (error) throw error;
    // As many as were asked for, or they are packed, or gone with their report.
    const missing = rows.length < (places.get(report)?.length ?? 0);
    for (const [at, flat] of [...(missing ? await readPackedEvents(store, report) : []), ...rows])
      told.set(`${report} ${at}`, flat);
  }
  return entries.flatMap(([id, flat]) => {
    const { of, at } = fieldsOf(flat);
    const row = of === undefined ? flat : told.get(`${of} ${at}`);
    return row === undefined ? [] : [timed([id, row])];
  });
}

function byTime(a = "", b = ""): number {
  const [[aMs, aNth], [bMs, bNth]] = [a.split("-").map(Number), b.split("-").map(Number)];
  return (aMs ?? 0) - (bMs ?? 0) || (aNth ?? 0) - (bNth ?? 0);
}

function timed([id, flat]: Entry): TimedEvent {
  return { id, at: Number.parseInt(id, 10), event: JSON.parse(fieldsOf(flat)["e"] ?? "{}") as FleetEvent };
}
