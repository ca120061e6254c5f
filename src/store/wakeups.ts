/** What the sweeper watches: orders not yet in the queue, and reports that should have moved by now. */
import type { ReportId } from "../domain/ids.ts";
import type { Store } from "./redis.ts";
import { run, savingScript } from "./script.ts";

const DUE = savingScript(`
-- KEYS zset   ARGV older_than_ms limit
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now_ms() - tonumber(ARGV[1]), 'LIMIT', 0, ARGV[2])
`);

const POSTPONE = savingScript(`
-- KEYS wakeups   ARGV id after_ms
redis.call('ZADD', KEYS[1], 'XX', now_ms() + tonumber(ARGV[2]), ARGV[1])
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

export async function leaveOutbox(store: Store, report: ReportId): Promise<void> {
  await store.redis.zrem(store.keys.outbox, report);
}

export async function listOverdue(store: Store, limit = 200): Promise<ReportId[]> {
  return run(store.redis, DUE, [store.keys.wakeups], [0, limit]);
}

export async function postponeWakeup(store: Store, report: ReportId, afterMs: number): Promise<void> {
  await run(store.redis, POSTPONE, [store.keys.wakeups], [report, afterMs]);
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
