/**
 * The end without a delivery: by a person's decision or a deadline, whatever the report is doing. The hold goes back
 * once, the spend becomes wasted, nothing wakes the report any more. Answers still on their way change the books only.
 *
 * A report that was delivered in part before stays delivered: what ends is the attempt to complete it, and its own hold.
 */
import type { FleetEvent } from "../domain/events.ts";
import type { ReportId } from "../domain/ids.ts";
import type { Report, ReportStatus } from "../domain/report.ts";
import { BOOKS_LUA } from "./books.ts";
import { AUDIT_LUA } from "./audit.ts";
import { caseNames, CLOSE_CASES_LUA } from "./cases.ts";
import { LEDGER_LUA } from "./credits.ts";
import { PLACES_LUA } from "./places.ts";
import type { Store } from "./redis.ts";
import { run, savingScript } from "./script.ts";

const END = savingScript(`${LEDGER_LUA}${BOOKS_LUA}${CLOSE_CASES_LUA}${AUDIT_LUA}${PLACES_LUA}
-- KEYS report account ledger hold open_holds wakeups outbox events fleet_events audit ended
-- ARGV id run hold_id status because by status_event completed_event case_names action
local r = redis.call('HMGET', KEYS[1], 'status', 'run', 'holdId', 'hold', 'deliveredAt')
if not r[1] then return {'gone', ''} end
if r[1] == 'completed' or r[1] == 'failed' or r[1] == 'cancelled' then return {'ended_before', r[1]} end
if r[2] ~= ARGV[2] or r[3] ~= ARGV[3] then return {'superseded', r[1]} end
local names = cjson.decode(ARGV[9])
local now = now_ms()
local to = r[5] and 'completed' or ARGV[4]
if redis.call('HGET', KEYS[4], 'status') == 'reserved' then
  end_hold(KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[8], KEYS[9], ARGV[3], ARGV[1], 0, false, now, ARGV[6], ARGV[5])
end
close_books(KEYS[1], nil)
enter_status(KEYS[1], to)
redis.call('HSET', KEYS[1], 'hold', r[5] and 'committed' or 'reversed', 'because', ARGV[5], 'endedBy', ARGV[6], 'updatedAt', now)
redis.call('HDEL', KEYS[1], 'failure')
redis.call('ZREM', KEYS[6], ARGV[1])
leave_lines(KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[7], ARGV[1])
redis.call('ZADD', KEYS[11], now, ARGV[1])
emit(KEYS[8], KEYS[9], r[5] and ARGV[8] or ARGV[7])
close_cases(names, ARGV[10], ARGV[6], ARGV[5], '', now)
audit(KEYS[10], ARGV[10], ARGV[1], '', ARGV[6], ARGV[5], r[1], to)
return {'ended', to}
`);

export type Ended =
  /** `status` is `completed` where an earlier delivery in part stays as it was. */
  | { outcome: "ended"; status: ReportStatus }
  | { outcome: "ended_before"; status: ReportStatus }
  /** It moved since it was read: a newer run, or another hold. Read it again and decide again. */
  | { outcome: "superseded" }
  | { outcome: "gone" };

export async function endReport(
  store: Store,
  report: Pick<Report, "id" | "account" | "type" | "run" | "holdId">,
  end: { status: "failed" | "cancelled"; because: string; by: string; action?: "reject" | "cancel" },
): Promise<Ended> {
  const { redis, keys } = store;
  const { id, account, type } = report;
  const event = (status: ReportStatus): string =>
    JSON.stringify({
      event: "report.status",
      report: id,
      type,
      status,
      because: end.because,
    } satisfies FleetEvent);
  const [word, status] = await run<[string, string]>(
    redis,
    END,
    [
      keys.report(id),
      keys.account(account),
      keys.ledger(account),
      keys.hold(report.holdId),
      keys.openHolds,
      keys.wakeups,
      keys.outbox,
      keys.events(id),
      keys.fleetEvents,
      keys.audit,
      keys.ended,
    ],
    [
      id,
      report.run,
      report.holdId,
      end.status,
      end.because,
      end.by,
      event(end.status),
      event("completed"),
      JSON.stringify(caseNames(store, id)),
      end.action ?? "ended",
    ],
  );
  switch (word) {
    case "ended":
    case "ended_before":
      if (status !== "completed") await forgetReusable(store, id);
      return { outcome: word, status: status as ReportStatus };
    case "superseded":
    case "gone":
      return { outcome: word };
    default:
      throw new Error(`end answered ${word}, which no version of this program knows.`);
  }
}

/** A rejected report's answers are not to turn up in another one. */
async function forgetReusable(store: Store, id: ReportId): Promise<void> {
  const { redis, keys } = store;
  const entries = await redis.smembers(keys.cachedBy(id));
  if (entries.length > 0) await redis.unlink(...entries, keys.cachedBy(id));
}
