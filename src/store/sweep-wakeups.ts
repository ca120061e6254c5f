/**
 * Nothing is stuck: a report that is not over has a time by which it must have moved, or one by which a person must have
 * decided. Every script that moves a report sees to it, so there should be nothing to find here; this is the net below
 * them. A few reports are looked at on each round, in turn.
 */
import type { FleetEvent } from "../domain/events.ts";
import type { ReportId } from "../domain/ids.ts";
import type { ReportStatus } from "../domain/report.ts";
import type { Store } from "./redis.ts";
import { run, savingScript } from "./script.ts";

const REPAIR = savingScript(`
-- KEYS report watched events fleet_events   ARGV id statuses due_after_ms event
local status = redis.call('HGET', KEYS[1], 'status')
if not status or not string.find(' ' .. ARGV[2] .. ' ', ' ' .. status .. ' ', 1, true) then return 'moved' end
if redis.call('ZSCORE', KEYS[2], ARGV[1]) then return 'watched' end
redis.call('ZADD', KEYS[2], now_ms() + tonumber(ARGV[3]), ARGV[1])
count(string.match(KEYS[4], '^(.*):events$'), 'fleet_sweeper_repairs_total|lost_wakeup')
emit(KEYS[3], KEYS[4], ARGV[4])
return 'repaired'
`);

const LOOKED_AT = 200;
const MOVING: readonly ReportStatus[] = ["pending", "running", "waiting_for_retry"];

/** Where the last round stopped, for each status. */
export type Turn = Map<ReportStatus, number>;

/** Answers with the reports that nothing would have woken any more. */
export async function sweepWakeups(store: Store, turn: Turn, reviewDeadlineMs: number): Promise<ReportId[]> {
  const { keys } = store;
  const repaired: ReportId[] = [];
  for (const status of MOVING)
    repaired.push(...(await look(store, turn, { status, watched: keys.wakeups, among: MOVING, afterMs: 0 })));
  const review = {
    status: "needs_review",
    watched: keys.reviewDeadlines,
    afterMs: reviewDeadlineMs,
  } as const;
  repaired.push(...(await look(store, turn, { ...review, among: ["needs_review"] })));
  return repaired;
}

interface Watch {
  status: ReportStatus;
  /** Where each of them has its time. */
  watched: string;
  /** Statuses that are watched there: it may move from one to another meanwhile. */
  among: readonly ReportStatus[];
  afterMs: number;
}

async function look(
  store: Store,
  turn: Turn,
  { status, watched, among, afterMs }: Watch,
): Promise<ReportId[]> {
  const { redis, keys } = store;
  const start = turn.get(status) ?? 0;
  const ids = (await redis.zrange(
    keys.indexStatus(status),
    start,
    String(start + LOOKED_AT - 1),
  )) as ReportId[];
  turn.set(status, ids.length < LOOKED_AT ? 0 : start + LOOKED_AT);
  if (ids.length === 0) return [];
  const times = await redis.zmscore(watched, ...ids);
  const repaired: ReportId[] = [];
  for (const [index, id] of ids.entries()) {
    if (times[index] !== null) continue;
    const event: FleetEvent = {
      event: "repaired",
      report: id,
      what: "a report without a time by which it must have moved",
      because: "nothing would have woken it",
    };
    const word = await run<string>(
      store.redis,
      REPAIR,
      [keys.report(id), watched, keys.events(id), keys.fleetEvents],
      [id, among.join(" "), afterMs, JSON.stringify(event)],
    );
    if (word === "repaired") repaired.push(id);
  }
  return repaired;
}
