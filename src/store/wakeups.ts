/** What the sweeper watches: orders not yet in the queue, and reports that should have moved by now. */
import type { FleetEvent } from "../domain/events.ts";
import type { ReportId } from "../domain/ids.ts";
import type { Store } from "./redis.ts";
import { run, savingScript } from "./script.ts";

const DUE = savingScript(`
-- KEYS zset   ARGV older_than_ms limit
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now_ms() - tonumber(ARGV[1]), 'LIMIT', 0, ARGV[2])
`);

const LEAVE_OUTBOX = savingScript(`
-- KEYS outbox events fleet_events   ARGV id repaired_event('' = its producer was there)
if redis.call('ZREM', KEYS[1], ARGV[1]) == 1 and ARGV[2] ~= '' then
  count(string.match(KEYS[1], '^(.*):outbox$'), 'fleet_sweeper_repairs_total|lost_order')
  emit(KEYS[2], KEYS[3], ARGV[2])
end
return 'left'
`);

const POSTPONE = savingScript(`
-- KEYS wakeups events fleet_events   ARGV id after_ms repaired_event('' = it lives)
local now, due = now_ms(), tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or '')
if due and due <= now and ARGV[3] ~= '' then
  count(string.match(KEYS[1], '^(.*):wakeups$'), 'fleet_sweeper_repairs_total|lost_job')
  emit(KEYS[2], KEYS[3], ARGV[3])
end
redis.call('ZADD', KEYS[1], 'XX', now + tonumber(ARGV[2]), ARGV[1])
return 'postponed'
`);

const LEASE = savingScript(`
-- KEYS lease   ARGV holder for_ms
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 'held' end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 'mine'
`);

export async function listWaitingInOutbox(
  store: Store,
  olderThanMs: number,
  limit = 500,
): Promise<ReportId[]> {
  return run(store.redis, DUE, [store.keys.outbox], [olderThanMs, limit]);
}

/** `rescued`: not its producer but the sweeper put it into the queue. */
export async function leaveOutbox(store: Store, report: ReportId, rescued = false): Promise<void> {
  const event = repairedEvent(
    report,
    "an order outside the queue",
    "its producer died before it put it there",
  );
  const { redis, keys } = store;
  await run(
    redis,
    LEAVE_OUTBOX,
    [keys.outbox, keys.events(report), keys.fleetEvents],
    [report, rescued ? event : ""],
  );
}

export async function listOverdue(store: Store, limit = 200): Promise<ReportId[]> {
  return run(store.redis, DUE, [store.keys.wakeups], [0, limit]);
}

/** `rung`: it should have moved and had no job, so it was given one. */
export async function postponeWakeup(
  store: Store,
  report: ReportId,
  afterMs: number,
  rung: boolean,
): Promise<void> {
  const event = repairedEvent(report, "a report without a job", "it should have moved by now");
  const { redis, keys } = store;
  await run(
    redis,
    POSTPONE,
    [keys.wakeups, keys.events(report), keys.fleetEvents],
    [report, afterMs, rung ? event : ""],
  );
}

function repairedEvent(report: ReportId, what: string, because: string): string {
  return JSON.stringify({ event: "repaired", report, what, because } satisfies FleetEvent);
}

export async function dropWakeup(store: Store, report: ReportId): Promise<void> {
  await store.redis.zrem(store.keys.wakeups, report);
}

/** One sweeper at a time does the work; two at once would do it twice and harm nothing. */
export async function leaseSweeper(store: Store, holder: string, forMs: number): Promise<boolean> {
  return (
    (await run<string>(store.redis, LEASE, [store.keys.sweeperLease], [holder, Math.ceil(forMs)])) === "mine"
  );
}

/** Reports that waited for a person as long as their type allows. */
export async function listOverdueReviews(store: Store, limit = 100): Promise<ReportId[]> {
  return run(store.redis, DUE, [store.keys.reviewDeadlines], [0, limit]);
}

export async function dropReviewDeadline(store: Store, report: ReportId): Promise<void> {
  await store.redis.zrem(store.keys.reviewDeadlines, report);
}
