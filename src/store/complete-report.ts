/**
 * A report delivered in part is completed later, by a person's decision: one script holds what the missing parts cost and
 * begins the next run, so that neither is there without the other. What was delivered stays delivered, whatever comes of it.
 */
import { formatCredits } from "../domain/credits.ts";
import type { FleetEvent } from "../domain/events.ts";
import type { Report } from "../domain/report.ts";
import type { Decision } from "../domain/review.ts";
import { AUDIT_LUA } from "./audit.ts";
import { LEDGER_LUA, nextHoldId } from "./credits.ts";
import type { Store } from "./redis.ts";
import { run, startingScript } from "./script.ts";

const COMPLETE = startingScript(`${LEDGER_LUA}${AUDIT_LUA}
-- KEYS report account ledger hold open_holds wakeups outbox ended audit events fleet_events calls sections...
-- ARGV id account hold_id last_hold_id run wake_after_ms by why status_event, then for each section its event
local r = redis.call('HMGET', KEYS[1], 'status', 'delivery', 'holdId', 'credits', 'committed', 'run')
if not r[1] then return {'not_partial', ''} end
local rest = tonumber(r[4]) - tonumber(r[5] or '0')
if r[3] == ARGV[3] then return {'begun', tostring(rest), r[6]} end
if r[1] ~= 'completed' or r[2] ~= 'partial' or r[3] ~= ARGV[4] or r[6] ~= ARGV[5] then return {'not_partial', ''} end
-- The whole is assembled from what was written before; once retention has removed that, it could never be delivered.
for i = 13, #KEYS do
  if redis.call('HGET', KEYS[i], 'status') == 'completed' and redis.call('HEXISTS', KEYS[i], 'output') == 0 then return {'texts_gone', ''} end
end
local available = tonumber(redis.call('HGET', KEYS[2], 'available') or '0')
if available < rest then return {'insufficient', tostring(available), tostring(rest)} end

local now, wake_after = now_ms(), tonumber(ARGV[6])
reserve_hold(KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], ARGV[3], ARGV[1], ARGV[2], rest, now, wake_after)
credits_event(KEYS[10], KEYS[11], ARGV[1], 'reserve', rest)
for i = 13, #KEYS do
  if redis.call('HGET', KEYS[i], 'status') ~= 'completed' then
    redis.call('HSET', KEYS[i], 'status', 'pending', 'claim', '')
    redis.call('HINCRBY', KEYS[i], 'fence', 1)
    redis.call('HDEL', KEYS[i], 'transient', 'repair', 'crash', 'prints', 'failure', 'retryAt', 'because', 'startedAt', 'pin')
    emit(KEYS[10], KEYS[11], ARGV[10 + i - 13])
  end
end
-- A rejected answer would be judged as before: its call is asked again.
for _, field in ipairs(redis.call('HKEYS', KEYS[12])) do
  if not string.find(field, '[#!]') then
    local take = string.match(redis.call('HGET', KEYS[12], field), '^(%d+):rejected:')
    if take then redis.call('HSET', KEYS[12], field .. '!', tonumber(take) + 1) end
  end
end
redis.call('HINCRBY', KEYS[1], 'run', 1)
redis.call('HINCRBY', KEYS[1], 'decisions', 1)
enter_status(KEYS[1], 'running')
-- No section runs or waits from here on, also where an earlier completion ended while one did.
redis.call('HSET', KEYS[1], 'round', 0, 'running', 0, 'waiting', 0, 'updatedAt', now)
redis.call('HDEL', KEYS[1], 'halted', 'failure')
redis.call('ZADD', KEYS[6], now + wake_after, ARGV[1])
redis.call('ZADD', KEYS[7], now, ARGV[1])
redis.call('ZREM', KEYS[8], ARGV[1])
audit(KEYS[9], 'complete', ARGV[1], '', ARGV[7], ARGV[8], r[1], 'running')
emit(KEYS[10], KEYS[11], ARGV[9])
return {'begun', tostring(rest), redis.call('HGET', KEYS[1], 'run')}
`);

export type Completion =
  | { outcome: "begun"; holdId: string; credits: number; run: number }
  | { outcome: "insufficient_credits"; available: number; needed: number; because: string }
  /** What was written for it is kept no longer. */
  | { outcome: "texts_gone"; because: string }
  /** It is not delivered in part, or somebody else completes it already. */
  | { outcome: "not_partial" };

export async function completeReport(
  store: Store,
  report: Pick<Report, "id" | "account" | "type" | "holdId" | "run">,
  sections: readonly string[],
  decision: Decision,
  wakeAfterMs: number,
): Promise<Completion> {
  const { redis, keys } = store;
  const { id, account, type } = report;
  const holdId = nextHoldId(id, report.holdId);
  const because = `it is completed: ${decision.why}`;
  const status: FleetEvent = { event: "report.status", report: id, type, status: "running", because };
  const opened = sections.map((section): string =>
    JSON.stringify({
      event: "section.status",
      report: id,
      section,
      type,
      status: "pending",
      because,
    } satisfies FleetEvent),
  );
  const [word, first, second] = await run<[string, string, string]>(
    redis,
    COMPLETE,
    [
      keys.report(id),
      keys.account(account),
      keys.ledger(account),
      keys.hold(holdId),
      keys.openHolds,
      keys.wakeups,
      keys.outbox,
      keys.ended,
      keys.audit,
      keys.events(id),
      keys.fleetEvents,
      keys.calls(id),
      ...sections.map((section) => keys.section(id, section)),
    ],
    [
      id,
      account,
      holdId,
      report.holdId,
      report.run,
      wakeAfterMs,
      decision.by,
      decision.why,
      JSON.stringify(status),
      ...opened,
    ],
  );
  switch (word) {
    case "begun":
      return { outcome: "begun", holdId, credits: Number(first), run: Number(second) };
    case "insufficient": {
      const [available, needed] = [Number(first), Number(second)];
      return {
        outcome: "insufficient_credits",
        available,
        needed,
        because: `Completing ${id} costs ${formatCredits(needed)} and account ${account} has ${available} available; what was delivered stays delivered.`,
      };
    }
    case "texts_gone":
      return {
        outcome: "texts_gone",
        because: `The texts that ${id} was written from are kept no longer, so its missing parts cannot join them. Nothing was held; what was delivered stays delivered. Order it anew to have the whole.`,
      };
    case "not_partial":
      return { outcome: "not_partial" };
    default:
      throw new Error(`complete answered ${word}, which no version of this program knows.`);
  }
}
