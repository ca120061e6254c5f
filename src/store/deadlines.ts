/** Reports that are wanted by a time: whose turn it is to be looked at, and the one word that it will be later. */
import type { FleetEvent } from "../domain/events.ts";
import type { EpochMs, ReportId } from "../domain/ids.ts";
import type { Report } from "../domain/report.ts";
import type { Store } from "./redis.ts";
import { run, savingScript } from "./script.ts";

const DUE = savingScript(`
-- KEYS deliver_by   ARGV limit
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now_ms(), 'LIMIT', 0, ARGV[1])
`);

const LOOK_AGAIN = savingScript(`
-- KEYS deliver_by report   ARGV id after_ms planned('1' | '0')
-- Planned since the caller looked: now more can be foreseen, and it stays due.
if ARGV[3] == '0' and redis.call('HEXISTS', KEYS[2], 'plan') == 1 then return 'due' end
redis.call('ZADD', KEYS[1], 'XX', now_ms() + tonumber(ARGV[2]), ARGV[1])
return 'noted'
`);

const MISS = savingScript(`
-- KEYS report deliver_by events fleet_events   ARGV id event
local r = redis.call('HMGET', KEYS[1], 'status', 'deliverBy', 'deadlineMissedAt')
redis.call('ZREM', KEYS[2], ARGV[1])
if not r[1] or r[1] == 'completed' or r[1] == 'failed' or r[1] == 'cancelled' then return 'over' end
if not r[2] or r[3] then return 'told' end
redis.call('HSET', KEYS[1], 'deadlineMissedAt', now_ms())
emit(KEYS[3], KEYS[4], ARGV[2])
return 'missed'
`);

export async function listDueDeadlines(store: Store, limit = 100): Promise<ReportId[]> {
  return run(store.redis, DUE, [store.keys.deliverBy], [limit]);
}

/** `planned`: whether the report had a plan when the caller looked at it. */
export async function lookAgainAtDeadline(
  { redis, keys }: Store,
  report: ReportId,
  afterMs: number,
  planned: boolean,
): Promise<void> {
  await run(
    redis,
    LOOK_AGAIN,
    [keys.deliverBy, keys.report(report)],
    [report, Math.max(1, Math.round(afterMs)), planned ? 1 : 0],
  );
}

export async function dropDeadline(store: Store, report: ReportId): Promise<void> {
  await store.redis.zrem(store.keys.deliverBy, report);
}

/** `expectedAt` is when it should be ready instead; null where nothing tells. */
export async function missDeadline(
  store: Store,
  { id, type }: Pick<Report, "id" | "type">,
  deliverBy: EpochMs,
  expectedAt: EpochMs | null,
): Promise<"missed" | "told" | "over"> {
  const { redis, keys } = store;
  const event: FleetEvent = { event: "report.deadline_missed", report: id, type, deliverBy, expectedAt };
  return run(
    redis,
    MISS,
    [keys.report(id), keys.deliverBy, keys.events(id), keys.fleetEvents],
    [id, JSON.stringify(event)],
  );
}
